"""AbuseIPDB is asked within its quota, and not twice about the same address."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.daemon.intel import ask_about_strangers
from phage.intel.feed import FeedError
from phage.intel.fetch import Fetcher
from phage.intel.reputation import AbuseCheck
from phage.records import Severity, Subject
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.records import EPOCH, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.intel.conftest import Replay

QUERY = "/check?ipAddress={}&maxAgeInDays=90"
SAID = {
    "data": {
        "ipAddress": "45.1.1.9",
        "isPublic": True,
        "abuseConfidenceScore": 100,
        "countryCode": "RU",
        "usageType": "Data Center/Web Hosting/Transit",
        "isp": "Example\u202e Ltd",
        "totalReports": 12,
        "numDistinctUsers": 5,
        "isTor": True,
        "isWhitelisted": None,
        "lastReportedAt": "2023-11-14T20:00:00+00:00",
    }
}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(EPOCH)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as opened:
        yield opened


@pytest.fixture
def check(replay: Replay, store: Store, clock: FixedClock, tmp_path: Path) -> AbuseCheck:
    key = tmp_path / "key"
    key.write_text("secret\n")
    for address in ("45.1.1.9", "45.1.1.10", "45.1.1.11"):
        replay.put(QUERY.format(address), json.dumps(SAID), X_RateLimit_Remaining="900")
    url = f"{replay.url}/check"
    return AbuseCheck(Fetcher(clock), store.reputations, clock, url, str(key), 86_400.0, 2)


def test_an_address_is_asked_about_once_a_day(
    check: AbuseCheck, replay: Replay, clock: FixedClock
) -> None:
    found = check.ask("45.1.1.9")
    assert found is not None
    assert str(found) == (
        "100 % sure, 12 reports by 5, exit of Tor, Data Center/Web Hosting/Transit, Example Ltd, RU"
    )
    assert check.ask("45.1.1.9") == found
    assert len(replay.asked) == 1
    assert replay.asked[0].headers["key"] == "secret"
    clock.nanoseconds += 86_401 * 10**9
    assert check.ask("45.1.1.9") is not None
    assert len(replay.asked) == 2


@pytest.mark.parametrize("address", ["192.168.1.1", "127.0.0.1", "::1", "224.0.0.1", "fe80::1"])
def test_addresses_at_home_are_not_told(check: AbuseCheck, replay: Replay, address: str) -> None:
    assert check.ask(address) is None
    assert not replay.asked


def test_the_quota_of_a_day_is_kept(check: AbuseCheck, replay: Replay, clock: FixedClock) -> None:
    check.ask("45.1.1.9")
    check.ask("45.1.1.10")
    with pytest.raises(FeedError, match="2 addresses within a day, the most"):
        check.ask("45.1.1.11")
    assert len(replay.asked) == 2
    clock.nanoseconds += 86_401 * 10**9
    assert check.ask("45.1.1.11") is not None


def test_who_asks_for_rest_gets_it(check: AbuseCheck, replay: Replay, clock: FixedClock) -> None:
    replay.put(QUERY.format("45.1.1.9"), "{}", 429, Retry_After="600")
    with pytest.raises(FeedError, match="answered 429"):
        check.ask("45.1.1.9")
    with pytest.raises(FeedError, match="asked again in 600 s"):
        check.ask("45.1.1.10")
    assert len(replay.asked) == 1
    clock.nanoseconds += 601 * 10**9
    replay.put(QUERY.format("45.1.1.10"), json.dumps(SAID), X_RateLimit_Remaining="0")
    assert check.ask("45.1.1.10") is not None
    with pytest.raises(FeedError, match="asked again in"):
        check.ask("45.1.1.11")


@pytest.mark.parametrize(
    "body", ['{"errors":[{"detail":"bad key","status":401}]}', "[]", "<html>", '{"data": 1}', ""]
)
def test_what_is_no_answer_is_refused(check: AbuseCheck, replay: Replay, body: str) -> None:
    replay.put(QUERY.format("45.1.1.9"), body)
    with pytest.raises(FeedError):
        check.ask("45.1.1.9")
    assert check.known("45.1.1.9") is None


def test_strangers_of_findings_are_asked_about(
    check: AbuseCheck, replay: Replay, store: Store, clock: FixedClock
) -> None:
    subject = Subject(ip="45.1.1.9", device="45.1.1.9")
    for number, severity in enumerate((Severity.LOW, Severity.MEDIUM)):
        made = make_finding(number, severity=severity, last_seen=clock.now(), subject=subject)
        store.findings.save([replace(made, spoofable=False, evidence={})])
        ask_about_strangers(check, store, clock.now())
        assert len(replay.asked) == number
    ask_about_strangers(check, store, clock.now())
    assert len(replay.asked) == 1
