"""The speaker against an ExaBGP that answers, refuses, falls silent, ends, and talks nonsense."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.clock import FixedClock
from phage.errors import ConfigError
from phage.respond.bgp import speaker as speakers
from phage.respond.bgp.peering import Peering
from phage.respond.bgp.speaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, Speaker
from phage.testing.exabgp import FakeExaBgp

if TYPE_CHECKING:
    from phage.respond.bgp.exabgp import ExaBgp

ROUTER, OTHER = "192.0.2.1", "192.0.2.3"
PEERING = Peering((ROUTER, OTHER), 64496, 64497, "192.0.2.2")
SECOND = 1_000_000_000


class Clock(FixedClock):
    """A clock that moves a little each time it is read, as while one waits."""

    def monotonic(self) -> float:
        self.nanoseconds += SECOND // 1000
        return super().monotonic()


@dataclass
class Bench:
    """A speaker and every ExaBGP that it started."""

    clock: Clock = field(default_factory=lambda: Clock(SECOND))
    started: list[FakeExaBgp] = field(default_factory=list)
    speaker: Speaker = field(init=False)

    def __post_init__(self) -> None:
        self.speaker = Speaker(PEERING, self.clock, self._make)

    def _make(self, peering: Peering) -> ExaBgp:
        self.started.append(FakeExaBgp(peering))
        return self.started[-1]  # type: ignore[return-value]

    @property
    def exabgp(self) -> FakeExaBgp:
        return self.started[-1]

    def ready(self) -> Speaker:
        self.speaker.ensure()
        self.speaker.attend()
        assert self.speaker.is_ready
        return self.speaker

    def pass_seconds(self, seconds: float) -> None:
        self.clock.nanoseconds += round(seconds * SECOND)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(speakers, "missing", lambda: "")
    return Bench()


def test_answers_belong_to_commands_in_order(bench: Bench) -> None:
    speaker = bench.ready()
    bench.exabgp.refuses = ("7",)
    results = speaker.send([f"announce route {n}" for n in range(100)])
    refused = "ExaBGP refuses the route"
    assert results == [refused if "7" in str(n) else "" for n in range(100)]
    assert len(bench.exabgp.announced) == 81


def test_before_it_is_there_and_after_it_ended_commands_say_so(bench: Bench) -> None:
    assert bench.speaker.send(["announce route x"]) == ["ExaBGP does not run"]
    bench.speaker.ensure()
    assert bench.speaker.reach("ipv4 unicast") == "ExaBGP is starting"
    bench.speaker.attend()
    assert bench.speaker.reach("ipv4 unicast") == ""
    bench.exabgp.last_words = "no such neighbour"
    bench.exabgp.is_running = False
    bench.speaker.attend()
    assert bench.speaker.send(["x", "y"]) == ["ExaBGP ended: no such neighbour"] * 2
    assert not bench.speaker.reached("ipv4 unicast")


def test_one_that_does_not_answer_is_started_anew(bench: Bench) -> None:
    speaker = bench.ready()
    silent = bench.exabgp
    silent.is_mute = True
    assert speaker.send(["announce route x"] * 3) == ["ExaBGP does not answer"] * 3
    assert not silent.is_running
    speaker.ensure()
    assert len(bench.started) == 1, "not at once"
    bench.pass_seconds(FIRST_PAUSE_S)
    generation = speaker.generation
    bench.ready()
    assert speaker.generation == generation + 1
    assert speaker.send(["announce route x"]) == [""]


def test_pauses_before_a_new_start_grow_and_end_with_a_long_life(bench: Bench) -> None:
    pauses = []
    for _ in range(9):
        bench.ready()
        bench.exabgp.is_running = False
        bench.speaker.attend()
        ended = bench.clock.nanoseconds
        while not bench.speaker.wants_start:
            bench.pass_seconds(0.1)
        pauses.append((bench.clock.nanoseconds - ended) / SECOND)
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(FIRST_PAUSE_S, abs=0.2)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S, abs=0.2)
    bench.ready()
    bench.pass_seconds(100)
    bench.exabgp.is_running = False
    bench.speaker.attend()
    bench.pass_seconds(FIRST_PAUSE_S)
    assert bench.speaker.wants_start


def test_what_keeps_it_from_starting_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        message = "no way to the BGP neighbour"
        raise ConfigError(message)

    bench.speaker.make = lambda _: type("Broken", (), {"start": staticmethod(fail)})()
    bench.speaker.ensure()
    assert bench.speaker.send(["x"]) == ["no way to the BGP neighbour"]
    monkeypatch.setattr(speakers, "missing", lambda: "ExaBGP is not installed")
    bench.pass_seconds(5)
    bench.speaker.ensure()
    assert bench.speaker.send(["x"]) == ["ExaBGP is not installed"]


def test_sessions_come_and_go_and_say_why(bench: Bench) -> None:
    speaker = bench.ready()
    assert speaker.reached("ipv6 flow") == [ROUTER, OTHER]
    changes = speaker.changes
    bench.exabgp.bring_down(ROUTER, "peer reset\x1b[2J\n" + "x" * 500)
    speaker.attend()
    assert speaker.changes == changes + 1
    assert speaker.reached("ipv4 unicast") == [OTHER]
    bench.exabgp.bring_down(OTHER, "hold timer expired")
    speaker.attend()
    why = speaker.reach("ipv4 unicast")
    assert "192.0.2.3: no session, hold timer expired" in why
    assert why.isprintable()
    assert len(why) < 300
    bench.exabgp.families = ("ipv4 unicast",)
    bench.exabgp.bring_up(ROUTER)
    speaker.attend()
    assert speaker.reach("ipv4 unicast") == ""
    assert "192.0.2.1 does not take ipv4 flow" in speaker.reach("ipv4 flow")


def about(peer: object, kind: str, **content: object) -> bytes:
    """Return a message of ExaBGP about a neighbour, or what looks like one."""
    return json.dumps({"type": kind, "neighbor": {"address": {"peer": peer}, **content}}).encode()


nonsense = st.one_of(
    st.binary(max_size=60).filter(lambda octets: b"\n" not in octets),
    st.sampled_from(
        [
            b"done",
            b"error",
            b"[" * 5000,
            b"null",
            b"{}",
            b'{"neighbor": 1}',
            b'{"notification": "shutdown"}',
            about([], "state", state="up"),
            about("10.9.9.9", "state", state="up"),
            about(ROUTER, "state"),
            about(ROUTER, "state", state={}, reason=1),
            about(ROUTER, "state", state="down", reason={}),
            about(ROUTER, "negotiated", negotiated=[]),
            about(ROUTER, "negotiated", negotiated={"families": 5}),
            about(ROUTER, "negotiated", negotiated={"families": [[], {}]}),
        ]
    ),
)


@given(st.lists(nonsense, max_size=60))
def test_nothing_that_it_says_does_harm(lines: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speakers, "missing", lambda: "")
        bench = Bench()
        speaker = bench.ready()
        for line in lines:
            bench.exabgp.say_line(line)
        speaker.attend()
        assert set(speaker.sessions) == {ROUTER, OTHER}
        # Answers that nobody waited for are none to what is asked next.
        bench.exabgp.refuses = ("x",)
        assert speaker.send(["announce route x"]) == ["ExaBGP refuses the route"]


def test_equal_peerings_share_a_speaker_and_others_must_differ() -> None:
    one, two = object(), object()
    speaker = speakers.lease(PEERING, one)
    assert speakers.lease(PEERING, two) is speaker
    other = Peering((OTHER,), 64496, 64497, "192.0.2.2", hold_s=10)
    with pytest.raises(ConfigError, match=r"192\.0\.2\.3 is a neighbour of another"):
        speakers.lease(other, two)
    speakers.release(PEERING, one)
    assert speakers.lease(PEERING, two) is speaker
    speakers.release(PEERING, two)
    speakers.release(PEERING, two)
    assert speakers.lease(other, one) is not speaker
    speakers.release(other, one)
