"""Decisions, routes, commands, receipts: what both BGP responders do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    ReceiptState,
    Target,
    TargetKind,
)
from phage.respond.bgp import speaker as speakers
from phage.respond.bgp.speaker import Speaker
from phage.respond.responders.flowspec import Flowspec
from phage.respond.responders.rtbh import Rtbh
from phage.testing.exabgp import FakeExaBgp

if TYPE_CHECKING:
    from phage.respond.bgp.announcer import Announcer
    from phage.respond.bgp.peering import Peering

ROUTER = "192.0.2.1"
SESSION: dict[str, Any] = {
    "neighbours": (ROUTER,), "local_as": 64496, "peer_as": 64497, "local_address": "192.0.2.2",
}  # fmt: skip
SECOND = 1_000_000_000
NOW = 100 * SECOND


@dataclass
class Bench:
    """Speakers with an ExaBGP of tests."""

    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    exabgp: FakeExaBgp = field(init=False)

    def lease(self, peering: Peering, _user: object) -> Speaker:
        def make(peering: Peering) -> Any:
            self.exabgp = FakeExaBgp(peering)
            return self.exabgp

        return Speaker(peering, self.clock, make)

    def begin(self, responder: Announcer) -> None:
        responder.replace([], NOW)
        assert responder.is_disturbed(), "the session came up"
        responder.replace([], NOW)
        assert not responder.is_disturbed()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(speakers, "missing", lambda: "")
    monkeypatch.setattr(speakers, "lease", made.lease)
    return made


def ban(number: int, **more: Any) -> Decision:
    return Decision(
        Target(TargetKind.IP, f"203.0.113.{number}"),
        **{"action": Action.BAN, "reason": "", "start": 1, "direction": Direction.TO, **more},
        id=f"D{number}",
    )


def states(receipts: list[Any]) -> list[str]:
    return [str(receipt.state) for receipt in receipts]


def test_the_route_has_all_that_is_set(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION, communities=("65535:666", "1:2:3"), local_preference=200)
    bench.begin(rtbh)
    assert states(rtbh.apply([ban(7)], NOW)) == ["applied"]
    (command,) = bench.exabgp.commands
    assert command == (
        "announce route 203.0.113.7/32 next-hop 192.0.2.1 community [ 65535:666 ]"
        " large-community [ 1:2:3 ] local-preference 200"
    )


def test_applying_again_says_nothing_twice_and_revoking_again_neither(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    for _ in range(2):
        assert states(rtbh.apply([ban(7)], NOW)) == ["applied"]
    assert len(bench.exabgp.commands) == 1
    for _ in range(2):
        assert states(rtbh.revoke([ban(7)], NOW)) == ["withdrawn"]
    assert len(bench.exabgp.commands) == 2
    assert not bench.exabgp.announced


def test_replace_announces_and_withdraws_the_difference(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    rtbh.apply([ban(1), ban(2)], NOW)
    assert states(rtbh.replace([ban(2), ban(3)], NOW)) == ["applied", "applied"]
    assert len(bench.exabgp.commands) == 4
    assert [route.split()[1] for route in bench.exabgp.announced] == [
        "203.0.113.2/32",
        "203.0.113.3/32",
    ]


def test_a_refused_route_is_not_left_half_announced(bench: Bench) -> None:
    flowspec = Flowspec(**SESSION)
    bench.begin(flowspec)
    bench.exabgp.refuses = ("announce flow route { match { source",)
    (receipt,) = flowspec.apply([ban(7, direction=Direction.BOTH)], NOW)
    assert receipt.state is ReceiptState.FAILED
    assert receipt.detail == "ExaBGP refuses the route"
    assert not bench.exabgp.announced


def test_a_withdrawal_that_fails_is_told_and_made_up_for(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    rtbh.apply([ban(7)], NOW)
    bench.exabgp.refuses = ("withdraw",)
    assert states(rtbh.revoke([ban(7)], NOW)) == ["failed"]
    bench.exabgp.refuses = ()
    rtbh.replace([], NOW)
    assert not bench.exabgp.announced


def test_what_is_too_much_is_refused_and_counted(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION, most_routes=2)
    bench.begin(rtbh)
    receipts = rtbh.apply([ban(1), ban(2), ban(3)], NOW)
    assert states(receipts) == ["applied", "applied", "failed"]
    assert "most_routes" in receipts[-1].detail
    assert rtbh.dropped == 1
    rtbh.revoke([ban(1)], NOW)
    assert states(rtbh.apply([ban(3)], NOW)) == ["applied"]


def test_without_a_session_nothing_new_is_announced(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    rtbh.apply([ban(1), ban(2)], NOW)
    bench.exabgp.bring_down(ROUTER, "hold timer expired")
    assert rtbh.is_disturbed()
    receipts = rtbh.replace([ban(1), ban(2), ban(3)], NOW)
    assert states(receipts) == ["failed"] * 3
    assert "hold timer expired" in receipts[0].detail
    assert len(bench.exabgp.announced) == 2, "what was in force comes back with the session"
    assert not rtbh.is_disturbed()
    assert states(rtbh.revoke([ban(2)], NOW)) == ["withdrawn"]
    assert len(bench.exabgp.announced) == 1
    bench.exabgp.bring_up(ROUTER)
    assert rtbh.is_disturbed()
    assert states(rtbh.replace([ban(1), ban(3)], NOW)) == ["applied"] * 2
    assert len(bench.exabgp.announced) == 2


def test_what_should_have_ended_disturbs(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    rtbh.apply([ban(1, until=NOW + SECOND)], NOW)
    bench.clock.nanoseconds += 3 * SECOND
    assert rtbh.is_disturbed()
    rtbh.replace([], NOW)
    assert not bench.exabgp.announced
    assert not rtbh.is_disturbed()


def test_a_new_exabgp_is_told_everything(bench: Bench) -> None:
    rtbh = Rtbh(**SESSION)
    bench.begin(rtbh)
    rtbh.apply([ban(1)], NOW)
    bench.exabgp.is_running = False
    assert rtbh.is_disturbed()
    assert states(rtbh.replace([ban(1)], NOW)) == ["failed"]
    bench.clock.nanoseconds += 2 * SECOND
    assert rtbh.is_disturbed(), "it may be started again"
    rtbh.replace([ban(1)], NOW)
    assert rtbh.is_disturbed(), "it came up"
    assert states(rtbh.replace([ban(1)], NOW)) == ["applied"]
    assert len(bench.exabgp.announced) == 1


def test_kept_routes_end_with_the_end_of_rib(bench: Bench) -> None:
    flowspec = Flowspec(**SESSION, keep_s=60)
    bench.begin(flowspec)
    flowspec.replace([ban(1)], NOW)
    assert bench.exabgp.commands[-2:] == ["announce eor ipv4 flow", "announce eor ipv6 flow"]


def test_rules_carry_their_action_and_communities(bench: Bench) -> None:
    dns = Pattern(protocol=17, source_ports=((53, 53),))
    flowspec = Flowspec(**SESSION, communities=("64496:1",), redirect="64496:4294967295")
    bench.begin(flowspec)
    limited = ban(8, action=Action.LIMIT, rate=Rate(8, "octets"), pattern=dns)
    flowspec.apply([ban(7), limited], NOW)
    first, second = bench.exabgp.commands
    assert first == (
        "announce flow route { match { destination 203.0.113.7/32; }"
        " then { redirect 64496:4294967295; community [ 64496:1 ]; } }"
    )
    assert second == (
        "announce flow route { match { destination 203.0.113.8/32; protocol =17;"
        " source-port [ =53 ]; } then { rate-limit 8; community [ 64496:1 ]; } }"
    )
    assert flowspec.suits(ban(7, action=Action.REJECT)) == (
        "routers drop or limit packets; they cannot reject"
    )


@pytest.mark.parametrize("target", ["64496", "65536:65536", "4294967296:1", "1:4294967296", "a:b"])
def test_a_route_target_has_six_octets(target: str) -> None:
    with pytest.raises(ValueError, match="redirect"):
        Flowspec(redirect=target)


@pytest.mark.parametrize(
    "settings",
    [
        {"shortest4": 7}, {"shortest6": 129}, {"most_routes": 0}, {"networks": ("10.0.0.1/8",)},
        {"next_hop4": "100::1"}, {"local_preference": -1}, {"communities": ("x",)},
    ],
)  # fmt: skip
def test_wrong_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))}: "):
        Rtbh(**SESSION, **settings)


def test_without_neighbours_it_does_nothing() -> None:
    rtbh = Rtbh()
    assert rtbh.suits(ban(1)) == "no BGP neighbour is set"
    (receipt,) = rtbh.apply([ban(1)], NOW)
    assert receipt.state is ReceiptState.UNSUITED
    assert states(rtbh.revoke([ban(1)], NOW)) == ["withdrawn"]
    assert not rtbh.is_disturbed()
    rtbh.close()
