"""A sensor's models: copies are sent when they change, and taken back when own ones are lost."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from phage.bus.buses.inprocess import InProcessBus
from phage.clock import FixedClock
from phage.daemon.advising import excuse, follow
from phage.daemon.modelcopies import Copies
from phage.errors import PhageError, StateError
from phage.learn.model import unpacked
from phage.records import Advice, Subject
from phage.records.address import parse_address, parse_mac
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from pathlib import Path

    from phage.collect.collectors.afpacket import AfPacketCollector
    from phage.detect.detectors.volumetric import Volumetric


class Ring:
    """A ring whose model is some octets."""

    interface = "eth0"

    def __init__(self, state: bytes = b"") -> None:
        self.state = state
        self.told: list[tuple[str, int, bytes, int, int]] = []

    def save_model(self) -> bytes:
        """Return the state."""
        return self.state

    def load_model(self, state: bytes) -> None:
        """Take over a state."""
        if state.startswith(b"bad"):
            message = "of another version"
            raise StateError(message)
        self.state = state

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Note it."""
        self.told.append(("excuse", mac, address, since, until))

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Note it."""
        self.told.append(("distrust", mac, address, since, until))


def rings(*states: bytes) -> list[AfPacketCollector]:
    return cast("list[AfPacketCollector]", [Ring(state) for state in states])


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(10**18)


def test_a_lost_model_is_given_back_and_one_that_is_there_is_not(
    clock: FixedClock, tmp_path: Path
) -> None:
    keeper = InProcessBus()
    first = Copies(keeper, clock, 3600, "models/edge/")
    first.restore(rings(b"learned", b"also"), tmp_path / "one")
    first.save()
    assert first.sent == 2
    kept = keeper.kept("models/edge/ensemble-eth0-1")
    assert unpacked(kept, "it") == b"also"
    # Another machine under the same name.
    replaced = rings(b"", b"")
    second = Copies(keeper, clock, 3600, "models/edge/")
    second.restore(replaced, tmp_path / "two")
    assert [each.save_model() for each in replaced] == [b"learned", b"also"]
    assert second.restored == 2
    # The same one, which has learned more since.
    second.save()
    keeper.keep("models/edge/ensemble-eth0-0", kept)
    again = rings(b"", b"")
    third = Copies(keeper, clock, 3600, "models/edge/")
    third.restore(again, tmp_path / "two")
    assert again[0].save_model() == b"learned"
    assert third.restored == 0


@pytest.mark.parametrize("copy", [b"damaged", b"phage model\n{}\nx"])
def test_a_copy_that_is_damaged_is_left_alone(
    clock: FixedClock, tmp_path: Path, copy: bytes
) -> None:
    keeper = InProcessBus()
    keeper.keep("ensemble-eth0-0", copy)
    ring = rings(b"fresh")
    copies = Copies(keeper, clock, 3600)
    copies.restore(ring, tmp_path)
    assert ring[0].save_model() == b"fresh"
    assert copies.restored == 0


def test_copies_are_sent_in_time_and_tried_again(clock: FixedClock, tmp_path: Path) -> None:
    class Away(InProcessBus):
        away = True

        def keep(self, name: str, octets: bytes) -> bool:
            if self.away:
                message = "no route"
                raise PhageError(message)
            return super().keep(name, octets)

    keeper = Away()
    copies = Copies(keeper, clock, 3600)
    copies.restore(rings(b"state"), tmp_path)
    copies.tick()
    assert not list(tmp_path.glob("*.model"))
    clock.nanoseconds += 301 * 10**9
    copies.tick()
    assert (copies.sent, len(list(tmp_path.glob("*.model")))) == (0, 1)
    keeper.away = False
    copies.tick()
    assert copies.sent == 0, "not before it is time"
    clock.nanoseconds += 3601 * 10**9
    copies.tick()
    assert copies.sent == 1


def test_a_keeper_that_is_away_at_the_start_loses_no_copy(
    clock: FixedClock, tmp_path: Path
) -> None:
    class Away(InProcessBus):
        away = False

        def kept(self, name: str) -> bytes:
            if self.away:
                message = "no route"
                raise PhageError(message)
            return super().kept(name)

    keeper = Away()
    first = Copies(keeper, clock, 3600)
    first.restore(rings(b"learned in weeks"), tmp_path / "one")
    first.save()
    keeper.away = True
    ring = rings(b"fresh")
    copies = Copies(keeper, clock, 3600)
    copies.restore(ring, tmp_path / "two")
    clock.nanoseconds += 301 * 10**9
    copies.tick()
    assert copies.sent == 0, "the copy would be replaced by what was learned in minutes"
    keeper.away = False
    clock.nanoseconds += 31 * 10**9
    copies.tick()
    assert ring[0].save_model() == b"learned in weeks"
    assert copies.restored == 1


def test_advice_that_makes_no_sense_ends_nothing() -> None:
    class Core(Ring):
        def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
            mac.to_bytes(8)

    follow(cast("list[AfPacketCollector]", [Core()]), Advice("excuse", -1, bytes(16), 1, 2))


def test_advice_reaches_every_ring() -> None:
    both = Ring(), Ring()
    collectors = cast("list[AfPacketCollector]", both)
    follow(collectors, Advice("distrust", 5, bytes(16), 1, 2))
    follow(collectors, Advice("obey", 5, bytes(16), 1, 2))
    finding = make_finding(
        subject=Subject(mac="02:00:00:00:00:05", ip="192.168.1.5"), first_seen=10, last_seen=20
    )
    excuse(finding, collectors)
    told: list[str] = []
    detector = cast("Volumetric", SimpleNamespace(accept=told.append))
    flood = make_finding(detector="volumetric", key="in/x", subject=Subject(device="10.0.0.0/24"))
    excuse(flood, collectors, [detector])
    excuse(replace(finding, last_seen=21), [], [detector])
    assert told == ["in/x"]
    mac, address = parse_mac("02:00:00:00:00:05"), parse_address("192.168.1.5")
    for ring in both:
        assert ring.told == [
            ("distrust", 5, bytes(16), 1, 2),
            ("excuse", mac, address, 10, 20),
        ]
