"""Guessing is found in logs by its pace, its names and its crowd; people's mistakes are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.detect.detector import Knowledge
from phage.detect.detectors.loginfail import LoginFail
from phage.records import Finding, LogEvent, LogKind, Severity, Window
from phage.testing.windows import SECOND, at

if TYPE_CHECKING:
    from collections.abc import Iterable

BAD = "198.51.100.7"


def event(
    seconds: float,
    address: str = BAD,
    user: str = "root",
    kind: LogKind = LogKind.AUTH_FAILED,
    **more: object,
) -> LogEvent:
    line = f"Failed password for {user} from {address} port 1 ssh2"
    fields: dict[str, object] = {"service": "sshd", "source": "auth.log", "message": line} | more
    return LogEvent(kind=kind, time=at(seconds), address=address, user=user, **fields)  # type: ignore[arg-type]


def found(events: Iterable[LogEvent], detector: LoginFail | None = None) -> dict[str, Finding]:
    """Return the last finding of each key."""
    detector = detector or LoginFail()
    knowledge = Knowledge(home=("192.168.0.0/16", "fd00::/8"))
    last = {}
    for each in events:
        window = Window(each.time, each.time + SECOND, events=(each,))
        for finding in detector.inspect(window, knowledge):
            last[finding.key] = finding
    return last


def test_fast_guessing() -> None:
    (finding,) = found(event(number) for number in range(8)).values()
    assert finding.evidence["kind"] == "fast"
    assert finding.evidence["attempts"] == 8
    assert finding.subject.ip == BAD
    assert finding.severity is Severity.HIGH
    assert not finding.spoofable
    assert "Failed password for root" in str(finding.evidence["lines"])


def test_a_forgotten_password_is_none() -> None:
    assert not found([*(event(5 * number) for number in range(5)), event(40, kind=LogKind.AUTH_OK)])


def test_slow_guessing_of_several_names() -> None:
    slow = [event(240 * number, user=f"user{number % 3}") for number in range(60)]
    (finding,) = found(slow).values()
    assert finding.evidence["kind"] == "slow"


def test_a_device_with_a_stale_password_is_not_slow_guessing() -> None:
    assert not found(event(1200 * number) for number in range(50))


def test_guessing_of_names() -> None:
    tried = [
        event(100 * number, user=f"user{number}", kind=LogKind.USER_UNKNOWN) for number in range(8)
    ]
    (finding,) = found(tried).values()
    assert finding.evidence["kind"] == "names"
    assert finding.evidence["distinct_users"] == 8


def test_one_that_logs_in_now_and_then_has_a_larger_allowance() -> None:
    good = [event(0, kind=LogKind.AUTH_OK, user="anna")]
    assert not found(good + [event(60 + number) for number in range(10)])
    assert found(good + [event(60 + number) for number in range(40)])


def test_a_login_after_guessing_is_critical() -> None:
    guesses = [event(number) for number in range(10)]
    (finding,) = found([*guesses, event(20, kind=LogKind.AUTH_OK)]).values()
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["session_followed"] is True
    assert 'let in as "root"' in finding.summary
    # Somebody else behind the same address, under a name that nobody tried.
    (finding,) = found([*guesses, event(20, kind=LogKind.AUTH_OK, user="anna")]).values()
    assert finding.severity is Severity.HIGH


def test_many_at_one_account() -> None:
    crowd = [event(60 * number, address=f"198.51.100.{number % 12}") for number in range(36)]
    last = found(crowd)
    (account,) = [each for each in last.values() if each.evidence["kind"] == "account"]
    assert account.subject.ip == ""
    assert account.peers_total == 12
    assert account.severity is Severity.MEDIUM
    members = [each for each in last.values() if each.evidence["kind"] == "distributed"]
    assert len(members) == 12


def test_an_ipv6_network_is_one_source() -> None:
    last = found(event(number, address=f"2001:db8:0:1::{number:x}") for number in range(8))
    (finding,) = last.values()
    assert finding.evidence["prefix"] == "2001:db8:0:1::/64"
    assert not found(event(number, address=f"fd00::{number:x}") for number in range(5))
    at_home = found(event(number, address="fd00::7") for number in range(8))
    assert [each.evidence["prefix"] for each in at_home.values()] == ["fd00::7"]


def test_guessing_is_one_finding_until_it_rests() -> None:
    early = [event(number) for number in range(10)]
    late = [event(90_000 + number) for number in range(3)]
    (finding,) = found([*early, *late]).values()
    assert finding.last_seen < at(100)


def test_what_anyone_can_forge_is_marked() -> None:
    (finding,) = found(event(number, spoofable=True) for number in range(10)).values()
    assert finding.spoofable
    mixed = [event(number, spoofable=number % 10 != 0) for number in range(20)]
    assert next(iter(found(mixed).values())).spoofable


def test_unwelcome_acts() -> None:
    acts = [event(number, kind=LogKind.ABUSE, service="postfix", user="") for number in range(12)]
    (finding,) = found(acts).values()
    assert (finding.evidence["kind"], finding.severity) == ("abuse", Severity.MEDIUM)


def test_names_that_steer_a_terminal_are_escaped() -> None:
    hostile = "\x1b[2Jroot\u202e"
    (finding,) = found(event(number, user=hostile) for number in range(8)).values()
    assert finding.summary.isprintable()
    assert all(str(line).isprintable() for line in finding.evidence["lines"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [20_000])
def test_tables_are_bounded(count: int) -> None:
    detector = LoginFail(most_sources=100, most_accounts=50)
    for number in range(0, count, 100):
        events = tuple(
            event(
                number / 100,
                address=f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}",
                user=f"user{each}",
            )
            for each in range(number, number + 100)
        )
        list(detector.inspect(Window(at(number), at(number + 1), events=events), Knowledge()))
    assert len(detector._sources) == 100
    assert len(detector._accounts) == 50
    assert detector.dropped == 2 * count - 150
