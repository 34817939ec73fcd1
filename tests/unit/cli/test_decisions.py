"""`phage decisions`, `phage panic` and `phage rules apply`: what they read, ask, and say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.daemon.control import Caller, ControlServer
from phage.daemon.requests import AddDecision, ApplyRules, Panic, Release, RevokeDecisions
from phage.enforcer import process
from phage.records.decision import Receipt, ReceiptState
from phage.store.repositories.decisions import AuditEntry
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH, make_decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from phage.daemon.requests import Request

Phage = Callable[..., Any]
HOUR = 3600 * 10**9


class Daemon:
    """Notes what it is asked, and answers what a test sets."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answer: dict[str, object] = {}

    def __call__(self, request: Request, caller: Caller) -> Mapping[str, object]:
        self.asked.append(request)
        return self.answer


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "state").mkdir(exist_ok=True)
    made = Daemon()
    server = ControlServer(tmp_path / "state" / "control.sock", os.getuid(), made)
    server.start()
    yield made
    server.stop()


@pytest.fixture
def filled(tmp_path: Path) -> None:
    now = SystemClock().now()
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as store:
        store.decisions.save(
            [
                make_decision(1, start=now, until=now + HOUR, reason="evil\x1b[2J"),
                make_decision(2, start=now, until=now + HOUR, dry_run=True),
                make_decision(3, start=now - HOUR, until=now - 1),
                make_decision(4, ended=now, ended_by="user:root"),
            ]
        )
        one = make_decision(1).id
        store.receipts.save([Receipt(one, "nftables", ReceiptState.APPLIED, now, "set ban4")])
        store.decisions.note(AuditEntry("01", now, "user:root", "add", one))


def listed(phage: Phage, *options: str) -> dict[int, str]:
    answer = phage("decisions", "list", "--output", "json", *options)
    assert answer.code == 0, answer.err
    return {int(each["id"]): each["state"] for each in json.loads(answer.out)}


@pytest.mark.usefixtures("filled")
def test_what_suits_no_responder_is_not_carried_out(phage: Phage, tmp_path: Path) -> None:
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as store:
        one = make_decision(1).id
        unsuited = ReceiptState.UNSUITED
        store.receipts.save([Receipt(one, "nftables", unsuited, EPOCH, "knows no names")])
        assert listed(phage)[1] == "not carried out"
        store.receipts.save([Receipt(one, "script", ReceiptState.APPLIED, EPOCH)])
        assert listed(phage)[1] == "in force"


@pytest.mark.usefixtures("filled")
def test_what_stands_is_listed_with_its_state(phage: Phage) -> None:
    assert listed(phage) == {3: "ended", 2: "recorded", 1: "in force"}
    assert listed(phage, "--in-force") == {3: "ended", 1: "in force"}
    assert listed(phage, "--all")[4] == "ended"
    assert listed(phage, "--target", "203.0.0.3/32") == {2: "recorded"}
    answer = phage("decisions", "list")
    assert "203.0.0.2" in answer.out
    assert "\x1b" not in answer.out


@pytest.mark.usefixtures("filled")
def test_one_is_shown_with_receipts_and_audit(phage: Phage) -> None:
    answer = phage("decisions", "show", make_decision(1).id)
    assert answer.code == 0
    assert "nftables   applied" in answer.out
    assert "add by user:root" in answer.out
    assert phage("decisions", "show", "nothing").code == 1


def test_a_decision_is_asked_of_the_daemon(phage: Phage, daemon: Daemon) -> None:
    made = {
        "id": "01X", "target": "203.0.113.9", "action": "ban", "direction": "from", "until": "",
        "dry_run": True, "reason": "would have banned",
    }  # fmt: skip
    daemon.answer = {"decision": made, "receipts": [], "panic": True}
    answer = phage("decisions", "add", "203.0.113.9", "--for", "ever", "--reason", "a test")
    assert answer.code == 0, answer.err
    assert daemon.asked == [AddDecision(target="203.0.113.9", seconds=0, reason="a test")]
    assert answer.out.startswith("recorded: ban from 203.0.113.9 for ever")
    assert "the panic switch is on" in answer.err
    daemon.answer = {"decisions": [made]}
    answer = phage("decisions", "revoke", "01X", "203.0.113.9")
    assert answer.code == 0
    assert "STATE" not in answer.out.upper().splitlines()[0]
    assert daemon.asked[-1] == RevokeDecisions(names=("01X", "203.0.113.9"))


def test_no_time_at_all_is_not_for_ever(phage: Phage, daemon: Daemon) -> None:
    answer = phage("decisions", "add", "203.0.113.9", "--for", "0s")
    assert answer.code == 2
    assert "at least 1 s" in answer.err
    assert daemon.asked == []


def test_rules_are_applied_by_the_daemon(phage: Phage, daemon: Daemon) -> None:
    daemon.answer = {"rules": 3, "enforced": False, "trial_until": "2026-11-21T10:01:00Z"}
    answer = phage("rules", "apply", "--confirm", "1 min")
    assert daemon.asked == [ApplyRules(confirm=60)]
    assert "phage rules confirm" in answer.err
    assert "policy.enforce is off" in answer.err


@pytest.mark.parametrize(
    "command",
    [
        ("decisions", "add", "203.0.113.9"),
        ("decisions", "revoke", "203.0.113.9"),
        ("rules", "confirm"),
    ],
)
def test_without_a_daemon_it_is_said_what_to_do(phage: Phage, command: tuple[str, ...]) -> None:
    answer = phage(*command)
    assert answer.code == 1
    assert "start `phage run`" in answer.err


def test_panic_goes_on_without_a_daemon(
    phage: Phage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(process, "panic", lambda socket, folder: False)
    answer = phage("panic")
    assert answer.code == 0
    assert "every block was removed" in answer.err
    assert (tmp_path / "state" / "panic").exists()
    answer = phage("panic", "--release")
    assert answer.code == 0
    assert "when phage starts" in answer.err
    assert not (tmp_path / "state" / "panic").exists()


@pytest.mark.parametrize("line", ["x: [", "bogus: 1", "store: {password_file: /nowhere}"])
def test_panic_goes_on_with_settings_that_are_wrong(
    phage: Phage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.delenv("PHAGE_STATE_DIR")
    monkeypatch.setattr(process, "panic", lambda socket, folder: False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (tmp_path / "phage.yaml").write_text(f"state_dir: '{folder}'  # here\n{line}\n")
    answer = phage("panic")
    assert (answer.code, (folder / "panic").exists()) == (0, True), answer.err
    assert f"going on with the folder of state {folder}" in answer.err
    assert phage("panic", "--release").code == 0
    assert not (folder / "panic").exists()


def test_panic_takes_domains_out_of_the_file_of_a_daemon_that_is_dead(
    phage: Phage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    file = tmp_path / "banned"
    file.write_text("0.0.0.0 a.example\n")
    (tmp_path / "phage.yaml").write_text(
        f"respond: {{responders: [dnsfile], settings: {{dnsfile: {{path: {file}}}}}}}\n"
    )
    monkeypatch.setattr(process, "panic", lambda socket, folder: False)
    answer = phage("panic")
    assert (answer.code, file.read_text()) == (0, ""), answer.err
    assert "every domain was taken out" in answer.err


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_panic_goes_on_where_it_cannot_be_written_down(
    phage: Phage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "state").mkdir()
    if kind == "link":
        (tmp_path / "state" / "panic").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "state" / "panic").mkdir()
    monkeypatch.setattr(process, "panic", lambda socket, folder: False)
    answer = phage("panic")
    assert answer.code == 1
    assert "every block was removed" in answer.err
    assert "come back when phage starts" in answer.err
    assert not (tmp_path / "elsewhere").exists()


def test_panic_tells_the_daemon_too(
    phage: Phage, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "panic", lambda socket, folder: True)
    assert phage("panic").code == 0
    assert phage("panic", "--release").code == 0
    assert daemon.asked == [Panic(), Release()]
