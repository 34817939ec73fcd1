"""Who exceeds a rule's rate is reported, and banned by the rule that he exceeded."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import pytest

from phage.errors import RuleError
from phage.policy import excess
from phage.policy.decide import decide
from phage.policy.excess import ExcessMeter
from phage.policy.facts import StaticFacts
from phage.policy.reading.reader import read_rules
from phage.policy.ruleset import RuleSet, join
from phage.records import Finding, Window
from phage.records.columns import FLOW, REQUEST, Event
from phage.records.decision import Action
from phage.testing.windows import Endpoint, device, make_flow, remote

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
FACTS = StaticFacts(home=(ipaddress.ip_network("192.168.0.0/16"),))
SERVER = device(3)


def rules(match: str, more: str = "action: ban, mode: enforce") -> RuleSet:
    return join([read_rules(f"rules: [{{name: r, match: {{{match}}}, {more}}}]", "t")])


class Traffic:
    """Flows as they grow, window by window."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.meter = ExcessMeter()
        self.flows: dict[int, Any] = {}
        self.forged: set[int] = set()

    def window(self, at: float, *changes: tuple[int, Endpoint, Endpoint, int]) -> list[Finding]:
        """Let flows (number, source, destination, packets so far) be seen in a window."""
        rows = np.zeros(len(changes), dtype=FLOW)
        for index, (number, source, destination, packets) in enumerate(changes):
            forged = number in self.forged
            rows[index] = make_flow(
                source,
                destination,
                80,
                id=number,
                packets=(packets, 0 if forged else packets // 2),
                octets=(packets * 100, 0),
                payload=(0, 0) if forged else (10, 10),
                event=Event.UPDATED if number in self.flows else Event.STARTED,
            )
            self.flows[number] = packets
        now = START + round(at * SECOND)
        return self.meter.take(self.ruleset, Window(now - 1, now, flows=rows), FACTS)


@pytest.mark.parametrize(
    "match", ["destination: home, rate: 100 packets/10 s", "destination: home, connections: 3"]
)
def test_who_has_a_connection_is_not_accused_by_what_is_forged_in_his_name(match: str) -> None:
    traffic = Traffic(rules(match, "action: ban, for: 10m"))
    traffic.forged = {2, 3, 4, 5}
    forged = [(number, remote(1), SERVER, 200) for number in traffic.forged]
    (found,) = traffic.window(0, (1, remote(1), SERVER, 20), *forged)
    assert found.spoofable
    real = [(number, remote(2), SERVER, 40) for number in range(11, 15)]
    (found,) = traffic.window(1, *real)
    assert (found.subject.ip, found.spoofable) == (remote(2).ip, False)


def test_who_sends_more_than_a_rate_is_banned() -> None:
    ruleset = rules("destination: home, rate: 100 packets/10 s", "action: ban, for: 10m")
    traffic = Traffic(ruleset)
    assert traffic.window(0, (1, remote(1), SERVER, 60), (2, remote(2), SERVER, 90)) == []
    (found,) = traffic.window(1, (1, remote(1), SERVER, 101), (2, remote(2), SERVER, 95))
    assert found.subject.ip == remote(1).ip
    assert found.detector == "rate"
    assert not found.spoofable
    assert "sends 101 packets, more than 100 packets/10 s" in found.summary
    (intent,) = decide(ruleset, found, FACTS, START)
    assert intent.action is Action.BAN
    assert intent.target is not None
    assert intent.target.value == remote(1).ip
    assert intent.duration.first == 600.0
    assert intent.dry_run


def test_a_burst_over_the_edge_of_an_interval_is_not_missed() -> None:
    traffic = Traffic(rules("rate: 100 packets/10 s"))
    traffic.window(0, (1, remote(1), SERVER, 1))
    assert traffic.window(9, (1, remote(1), SERVER, 80)) == []
    assert len(traffic.window(11, (1, remote(1), SERVER, 160))) == 1


def test_what_was_sent_long_ago_does_not_count() -> None:
    traffic = Traffic(rules("rate: 100 packets/10 s"))
    for step in range(20):
        assert traffic.window(step * 10, (1, remote(1), SERVER, 40 * (step + 1))) == []


@pytest.mark.parametrize("back", [-1.0, -3600.0, -START / SECOND])
def test_a_clock_that_is_set_back_accuses_nobody(back: float) -> None:
    traffic = Traffic(rules("rate: 100 packets/s"))
    for step in range(3):
        assert traffic.window(step, (1, remote(1), SERVER, 50 * (step + 1))) == []
    assert traffic.window(back, (1, remote(1), SERVER, 155)) == []
    assert traffic.window(back + 0.5, (1, remote(1), SERVER, 200)) == []
    assert len(traffic.window(back + 0.6, (1, remote(1), SERVER, 400))) == 1


def test_who_was_told_of_is_told_of_again_after_the_clock_was_set_back() -> None:
    traffic = Traffic(rules("rate: 100 packets/s"))
    assert len(traffic.window(0, (1, remote(1), SERVER, 500))) == 1
    assert len(traffic.window(-3600, (1, remote(1), SERVER, 1000))) == 1


def test_everybody_is_told_once_an_interval() -> None:
    traffic = Traffic(rules("rate: 10 packets/10 s"))
    told = [
        len(traffic.window(step, (1, remote(1), SERVER, 100 * (step + 1)))) for step in range(25)
    ]
    assert sum(told) == 3


def test_connections_are_counted_when_they_begin() -> None:
    traffic = Traffic(rules("service: http, rate: 5 connections/min"))
    many = [(number, remote(1), SERVER, 3) for number in range(1, 7)]
    assert traffic.window(0, *many[:5]) == []
    assert len(traffic.window(1, *many)) == 1


def test_connections_that_are_open_are_counted() -> None:
    traffic = Traffic(rules("connections: 3"))
    assert traffic.window(0, *[(number, remote(1), SERVER, 3) for number in range(1, 4)]) == []
    assert len(traffic.window(1, (4, remote(1), SERVER, 3))) == 1


def test_what_is_sent_to_one_may_be_counted_too() -> None:
    ruleset = rules("rate: 15 kB/s, per: destination")
    flows = [(number, remote(number), SERVER, 100) for number in (1, 2)]
    (found,) = Traffic(ruleset).window(0, *flows)
    assert found.subject.ip == SERVER.ip
    targets = [intent.target for intent in decide(ruleset, found, FACTS, START)]
    assert {target.value for target in targets if target} == {remote(1).ip, remote(2).ip}


def test_conditions_of_the_rule_hold() -> None:
    traffic = Traffic(rules("source: home, rate: 10 packets/s"))
    assert traffic.window(0, (1, remote(1), SERVER, 100)) == []
    assert len(traffic.window(0, (2, device(5), SERVER, 100))) == 1
    traffic = Traffic(rules("not: {source: home}, rate: 10 packets/s", "action: ban, mode: off"))
    assert traffic.window(0, (1, remote(1), SERVER, 100)) == []


def test_rules_that_the_kernel_keeps_alone_are_not_followed() -> None:
    assert not rules("rate: 10 packets/s", "action: drop").excess_rules


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excess, "MAX_KEPT", 50)
    monkeypatch.setattr(excess, "MAX_FLOWS", 40)
    traffic = Traffic(rules("rate: 10 packets/s"))
    flood = [(number, remote(number), SERVER, 1) for number in range(1, 200)]
    found = traffic.window(0, *flood, (999, remote(999), SERVER, 500))
    assert [finding.subject.ip for finding in found] == [remote(999).ip]
    assert traffic.meter.dropped == 160
    for step in range(1, 5):
        traffic.window(
            step, *[(step * 1000 + n, remote(step * 1000 + n), SERVER, 1) for n in range(40)]
        )
    assert len(traffic.meter._flows) <= 50
    assert len(traffic.meter._counts) <= 50


def test_nobody_can_be_banned_for_what_all_do_together() -> None:
    with pytest.raises(RuleError, match="names nobody to ban"):
        rules("rate: 10 packets/s, per: all")


def test_requests_of_a_source_are_counted_where_there_are_no_flows() -> None:
    ruleset = rules("destination: home, rate: 100 packets/10 s", "action: ban, for: 10m")
    meter = ExcessMeter()

    def window(at: int, packets: int) -> list[Finding]:
        rows = np.zeros(1, dtype=REQUEST)
        rows[0] = (START, packets, packets * 60, bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 9]))
        now = START + at * SECOND
        return meter.take(ruleset, Window(now - 1, now, requests=rows), FACTS)

    assert window(0, 60) == []
    (found,) = window(1, 60)
    assert (found.subject.ip, found.spoofable) == ("203.0.113.9", True)
    assert "sends 120 packets" in found.summary
