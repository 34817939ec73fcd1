"""The archive set: what is in a container is found, or the verdict says what was not opened."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from phage.records.sample import Outcome, Verdict
from phage.scan.content import Content
from phage.scan.trials import EICAR
from phage.testing import containers

if TYPE_CHECKING:
    from phage.scan.scanner import Scanner

TOOLS = {
    ".7z": "7zz",
    "aes.zip": "7zz",
    "crypto.zip": "7zz",
    ".zst": "bsdtar",
    ".iso": "genisoimage",
}


def need(name: str) -> None:
    for suffix, tool in TOOLS.items():
        if name.endswith(suffix) and shutil.which(tool) is None:
            pytest.skip(f"lacks {tool}")


def scanned(scanner: Scanner, data: bytes, name: str) -> Verdict:
    with Content.of_bytes(data, name) as content:
        return scanner.scan(content)


@pytest.mark.parametrize("name", containers.CONTAINERS)
def test_found_in_container(scanner: Scanner, name: str) -> None:
    need(name)
    verdict = scanned(scanner, containers.CONTAINERS[name](EICAR), name)
    assert verdict.outcome is Outcome.INFECTED
    assert verdict.complete, verdict.reasons
    inner = [reason for reason in verdict.reasons if reason.path]
    assert inner, verdict.reasons
    assert inner[0].text.endswith(" > ".join((name, *inner[0].path)))


def test_thirty_two_levels(scanner: Scanner) -> None:
    verdict = scanned(scanner, containers.nested(EICAR, 32), "deep.zip")
    assert verdict.outcome is Outcome.INFECTED
    assert verdict.complete
    assert verdict.parts_total == 33


def test_too_many_levels_are_incomplete(scanner: Scanner) -> None:
    verdict = scanned(scanner, containers.nested(b"nothing", 60), "deeper.zip")
    assert verdict.outcome is Outcome.INCOMPLETE
    assert "more than 50 levels" in verdict.reasons[0].text
    assert len(verdict.reasons[0].path) == 50


@pytest.mark.slow
def test_ten_thousand_members(scanner: Scanner) -> None:
    verdict = scanned(scanner, containers.many(EICAR, 10_001), "many.zip")
    assert verdict.outcome is Outcome.INFECTED
    assert verdict.complete
    assert verdict.parts_total == 10_002
    assert any(part.path == ("c.com",) for part in verdict.parts)


@pytest.mark.parametrize("suffix", [".7z", ".zip"])
def test_unknown_password_is_incomplete(scanner: Scanner, suffix: str) -> None:
    need(".7z")
    data = containers.by_tool(
        EICAR, suffix, (*containers.SEVENZIP, "-pnobody-knows", "{out}", "{in}")
    )
    verdict = scanned(scanner, data, f"locked{suffix}")
    assert verdict.outcome is Outcome.INCOMPLETE
    assert "encrypted" in verdict.reasons[0].text
    assert "encrypted" in verdict.sample.tags


def test_password_that_is_given(scanner: Scanner) -> None:
    need(".7z")
    data = containers.by_tool(EICAR, ".7z", (*containers.SEVENZIP, "-pgiven", "{out}", "{in}"))
    with Content.of_bytes(data, "locked.7z") as content:
        assert scanner.scan(content, passwords=["given"]).outcome is Outcome.INFECTED


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz", "a.cab", "a.eml"])
def test_what_is_cut_is_never_clean_of_what_it_hides(scanner: Scanner, name: str) -> None:
    """Half an archive of something good: incomplete, or opened as far as it goes."""
    whole = containers.CONTAINERS[name](bytes(range(256)) * 64)
    verdict = scanned(scanner, whole[: len(whole) // 2], name)
    opened = any(part.path for part in verdict.parts)
    assert verdict.outcome is Outcome.INCOMPLETE or opened


def test_a_file_that_contains_itself_ends(scanner: Scanner) -> None:
    data = b"the same"
    for _ in range(3):
        data = containers.zipped(containers.zipped(data), "again.zip")
    assert scanned(scanner, data, "again.zip").outcome is Outcome.CLEAN


def test_plain_files_are_clean(scanner: Scanner) -> None:
    verdict = scanned(scanner, b"nothing to see\n" * 100, "plain.txt")
    assert verdict.outcome is Outcome.CLEAN
    assert verdict.complete
    assert verdict.judged >= 2
    assert verdict.positives == 0
