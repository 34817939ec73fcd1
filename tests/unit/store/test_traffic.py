"""Traffic and what is counted over time, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.records import FindingState, Severity
from phage.store.repositories import traffic
from phage.store.repositories.traffic import SECOND, SPANS, Traffic, TrafficKind, span_for
from phage.testing.records import EPOCH, make_decision, make_finding

if TYPE_CHECKING:
    from phage.store.store import Store

HOUR = 3600 * SECOND
START = EPOCH - EPOCH % HOUR


def host(name: str, minutes: int, sent: int, received: int = 0) -> Traffic:
    at = START + minutes * 60 * SECOND
    return Traffic(TrafficKind.HOST, name, "", at, (1, 1), (sent, received), 1)


def test_hosts_are_added_up_and_sorted_by_octets(store: Store) -> None:
    store.traffic.save([host("a", 0, 10), host("b", 1, 100), host("a", 2, 5, 6)])
    store.traffic.save([host("a", 2, 1)])
    top = store.traffic.top(TrafficKind.HOST, START, START + HOUR)
    assert [(each.name, each.octets, each.packets) for each in top] == [
        ("b", (100, 0), (1, 1)),
        ("a", (16, 6), (3, 3)),
    ]
    assert store.traffic.top(TrafficKind.HOST, START, START + HOUR, 1) == top[:1]
    assert store.traffic.top(TrafficKind.SERVICE, START, START + HOUR) == []


def test_one_host_over_time(store: Store) -> None:
    store.traffic.save([host("a", 0, 10), host("a", 59, 10), host("a", 60, 7), host("b", 0, 1)])
    hours = store.traffic.of("a", START, START + 3 * HOUR)
    assert [((each.at - START) // HOUR, each.octets[0]) for each in hours] == [(0, 20), (1, 7)]


def test_pairs_are_found_from_both_ends(store: Store) -> None:
    pairs = [("a", "x", 5), ("y", "a", 9), ("b", "x", 50)]
    store.traffic.save(
        Traffic(TrafficKind.PAIR, name, peer, START, octets=(octets, 0))
        for name, peer, octets in pairs
    )
    found = store.traffic.peers("a", START, START + HOUR)
    assert [(each.name, each.peer) for each in found] == [("y", "a"), ("a", "x")]


@pytest.mark.parametrize(("first", "hours"), [(0, 24 * 7), (5, 24 * 7), (23, 50), (5, 30), (0, 24)])
def test_days_that_are_whole_count_as_their_hours(store: Store, first: int, hours: int) -> None:
    since = START - START % (24 * HOUR) + first * HOUR
    pairs = [
        Traffic(
            TrafficKind.PAIR, "a", "x", since + hour * HOUR + 7, octets=(2 ** (hour % 40), hour)
        )
        for hour in range(-30, hours + 30)
    ]
    store.traffic.save(pairs)
    within = pairs[30 : 30 + hours]
    octets = (sum(each.octets[0] for each in within), sum(each.octets[1] for each in within))
    (top,) = store.traffic.top(TrafficKind.PAIR, since + 9, since + hours * HOUR)
    (peer,) = store.traffic.peers("x", since + 9, since + hours * HOUR)
    assert top.octets == peer.octets == octets


def test_the_busiest_of_many_are_added_up_where_they_were_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "READ", 48)  # Two rows of each of 24 hours.
    day = START - START % (24 * HOUR) + 5 * HOUR
    each_hour = [
        ("steady", 50),
        ("hasty", 10),
        *((f"other{number}", number) for number in range(9)),
    ]
    store.traffic.save(
        Traffic(TrafficKind.HOST, name, "", day + hour * HOUR, octets=(octets, 1))
        for hour in range(24)
        for name, octets in [*each_hour, ("once", 400 if hour == 7 else 2)]
    )
    top = store.traffic.top(TrafficKind.HOST, day, day + 24 * HOUR, 2)
    assert [(each.name, each.octets) for each in top] == [
        ("steady", (24 * 50, 24)),
        ("once", (400 + 23 * 2, 24)),
    ]


def test_of_a_time_that_is_very_long_only_what_is_there_is_read(store: Store) -> None:
    store.traffic.save([host("a", 0, 10), host("a", 60 * 24 * 230, 5)])
    (top,) = store.traffic.top(TrafficKind.HOST, 0, 2**62)
    assert top.octets == (15, 0)
    assert store.traffic.top(TrafficKind.HOST, 0, 2**62, 0) == []


def test_counts_that_nobody_can_have_are_cut(store: Store) -> None:
    store.traffic.save(host("a", minute % 60, 2**63, -5) for minute in range(1440))
    (top,) = store.traffic.top(TrafficKind.HOST, START, START + HOUR)
    assert top.octets == (1440 * traffic.MAX_COUNT, 0)


def test_who_talks_to_himself_counts_once(store: Store) -> None:
    store.traffic.save([Traffic(TrafficKind.PAIR, "a", "a", START, octets=(7, 0))])
    (found,) = store.traffic.peers("a", START, START + HOUR)
    assert found.octets == (7, 0)


def test_what_the_network_says_is_stored_as_it_can_be(store: Store) -> None:
    store.traffic.save([host("\0\ud800'\";--", 0, 2**70)])
    assert store.traffic.top(TrafficKind.HOST, START, START + HOUR)[0].name == "\ufffd?'\";--"


@pytest.mark.parametrize(
    ("hours", "span"), [(1, 300), (24, 3600), (24 * 7, 3600), (24 * 30, 86_400)]
)
def test_a_time_is_told_in_spans_that_fit(hours: int, span: int) -> None:
    assert span_for(START, START + hours * HOUR) == span
    assert span in SPANS


def test_findings_and_decisions_over_time(store: Store) -> None:
    store.findings.save(
        [
            make_finding(1, severity=Severity.HIGH),
            make_finding(2, severity=Severity.HIGH),
            make_finding(3),
            make_finding(4, state=FindingState.MERGED),
            make_finding(4000),
        ]
    )
    step = 1000 * SECOND
    begin = EPOCH - EPOCH % step
    counted = store.findings.over_time(begin, begin + 2 * step, step)
    assert counted == [(begin, Severity.MEDIUM, 1), (begin, Severity.HIGH, 2)]
    store.decisions.save([make_decision(1), make_decision(2), make_decision(3, dry_run=True)])
    assert store.decisions.over_time(begin, begin + step, step) == [
        (begin, False, 2),
        (begin, True, 1),
    ]
