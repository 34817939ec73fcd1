"""What is written for DNS servers, and when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from phage.records.decision import Action, Decision, ReceiptState, Target, TargetKind
from phage.respond.responders.dnsfile import DnsFile

NOW = 1_800_000_000 * 10**9


def ban(name: str, number: int = 0, until: int = 0) -> Decision:
    target = Target(TargetKind.DOMAIN, name)
    return Decision(target, Action.BAN, "it is bad", NOW, until, id=f"id{number}")


@pytest.fixture
def made(tmp_path: Path) -> DnsFile:
    return DnsFile(path=str(tmp_path / "banned"))


def test_names_come_and_go(made: DnsFile, tmp_path: Path) -> None:
    file = tmp_path / "banned"
    made.replace([], NOW)
    assert file.read_text() == ""
    made.apply([ban("b.example", 1), ban("a.example", 2)], NOW)
    assert file.read_text().splitlines() == [
        "0.0.0.0 a.example",
        ":: a.example",
        "0.0.0.0 b.example",
        ":: b.example",
    ]
    made.revoke([ban("b.example", 1)], NOW)
    assert "b.example" not in file.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["banned"]


def test_two_decisions_about_a_name_are_one_line_until_both_end(made: DnsFile) -> None:
    made.replace([ban("a.example", 1), ban("a.example", 2)], NOW)
    made.revoke([ban("a.example", 1)], NOW)
    assert made.is_disturbed() is False
    with Path(made.path).open() as file:
        assert file.read().count("0.0.0.0 a.example") == 1


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        ("dnsmasq", "address=/a.example/\n"),
        ("rpz", "a.example CNAME .\n*.a.example CNAME .\n"),
    ],
)
def test_formats(tmp_path: Path, format_: str, expected: str) -> None:
    made = DnsFile(path=str(tmp_path / "f"), format=format_)
    made.replace([ban("a.example")], NOW)
    assert (tmp_path / "f").read_text().endswith(expected)


@pytest.mark.parametrize(
    "name", ["a.example\n0.0.0.0 bank.example", "a b.example", "", "localhost", "a/../b.example"]
)
def test_nothing_gets_into_the_file_that_is_no_name(made: DnsFile, name: str) -> None:
    (receipt,) = made.replace([ban(name)], NOW)
    assert receipt.state is ReceiptState.UNSUITED
    with Path(made.path).open() as file:
        assert file.read() == ""


def test_what_others_did_to_the_file_is_noticed_and_mended(made: DnsFile, tmp_path: Path) -> None:
    made.replace([ban("a.example")], NOW)
    assert not made.is_disturbed()
    (tmp_path / "banned").write_text("")
    assert made.is_disturbed()
    made.replace([ban("a.example")], NOW)
    assert "a.example" in (tmp_path / "banned").read_text()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    made = DnsFile(path=str(tmp_path / "absent" / "f"))
    (receipt,) = made.apply([ban("a.example")], NOW)
    assert receipt.state is ReceiptState.FAILED
    assert "No such file" in receipt.detail


def test_more_than_the_most_are_refused_and_counted(tmp_path: Path) -> None:
    made = DnsFile(path=str(tmp_path / "f"), most=1)
    receipts = made.apply([ban("a.example", 1), ban("b.example", 2)], NOW)
    assert [each.state for each in receipts] == [ReceiptState.APPLIED, ReceiptState.FAILED]
    assert made.dropped == 1


@pytest.mark.parametrize("wrong", [{"format": "bind"}, {"path": "hosts"}, {"most": 0}])
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DnsFile(**wrong)  # type: ignore[arg-type]


def test_a_file_of_a_phage_that_is_dead_is_emptied_in_place(tmp_path: Path) -> None:
    file = tmp_path / "banned"
    made = DnsFile(path=str(file), format="rpz")
    made.replace([ban("a.example", 1)], NOW)
    before = file.stat().st_ino
    assert DnsFile(path=str(file), format="rpz").empty(os.getuid(), NOW) == ""
    assert "a.example" not in file.read_text()
    assert file.read_text().startswith("$TTL")
    assert file.stat().st_ino == before


def test_nothing_but_a_file_of_its_own_is_emptied(tmp_path: Path) -> None:
    other, link, pipe = tmp_path / "other", tmp_path / "link", tmp_path / "pipe"
    other.write_text("precious")
    link.symlink_to(other)
    os.mkfifo(pipe)
    for path, owner in ((link, os.getuid()), (other, os.getuid() + 1), (pipe, os.getuid())):
        assert DnsFile(path=str(path)).empty(owner, NOW)
    assert other.read_text() == "precious"
    assert DnsFile(path=str(tmp_path / "none")).empty(os.getuid(), NOW) == ""
