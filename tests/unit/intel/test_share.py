"""What others are told of attackers, and what they are not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from phage.intel.share import Offence, misp_feed, offences, stix_objects
from phage.records import Finding, Subject
from phage.testing.records import EPOCH, SECOND, make_finding


def attack(address: str, number: int = 0, **values: object) -> Finding:
    """Return a finding about a stranger, with the names of devices of ours all over it."""
    made = make_finding(number, subject=Subject("", address, address), score=0.8, count=3)
    return replace(made, **values)  # type: ignore[arg-type]


def test_an_attacker_is_told_once_with_all_that_was_seen() -> None:
    (one,) = offences([attack("8.8.8.8"), attack("8.8.8.8", 9, detector="bruteforce", score=3.0)])
    assert one == Offence("8.8.8.8", EPOCH, EPOCH + 14 * SECOND, 6, ("bruteforce", "portscan"), 99)
    assert one.indicator.expires > one.last_seen


@pytest.mark.parametrize(
    "finding",
    [
        attack("192.168.1.7"),
        attack("8.8.8.8", spoofable=True),
        attack("8.8.8.8", evidence={"subject_is": "victim"}),
        attack("8.8.8.8", detector="intelmatch"),
        attack("8.8.8.8", subject=Subject("02:00:5e:00:53:01", "8.8.8.8", "x")),
        attack("", subject=Subject("", "", "x")),
        attack("9.9.9.9"),
    ],
    ids=["private", "forged", "victim", "known", "device", "none", "home"],
)
def test_who_is_not_told(finding: Finding) -> None:
    assert offences([finding], ("9.9.9.0/24",)) == []


def test_nothing_about_us_goes_out() -> None:
    shared = offences([attack("8.8.8.8")])
    said = json.dumps([stix_objects(shared, "phage"), misp_feed(shared, "phage", EPOCH)])
    assert "192.168" not in said
    assert "02:00:00" not in said
    assert "8.8.8.8" in said


def test_nothing_is_shared_where_nobody_attacked() -> None:
    assert stix_objects([], "phage") == []
    assert misp_feed([], "phage", EPOCH)["hashes.csv"] == ""
