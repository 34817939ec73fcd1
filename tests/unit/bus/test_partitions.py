"""What detectors take from sensors: only windows, and never for ever more of them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from phage.bus.codec import encode
from phage.bus.partitions import FIELD, MOST_WAITING, Merger, Share, split
from phage.bus.sound import MOST_TIMES
from phage.records import LogEvent, Observation, Window
from phage.records.columns import HOST, REQUEST, USE, VOLUME
from phage.records.logevent import LogKind

if TYPE_CHECKING:
    from redis import Redis

SLOT = 500_000_000


def read(record: object) -> tuple[list[Window], int]:
    """Return what a detector takes of a message, and how many it refused."""
    message = (b"1-0", {FIELD: encode(record)})
    client = SimpleNamespace(xread=lambda *_: [(b"phage:part:7", [message])])
    share = Share(cast("Redis", client), "phage", "one")
    share._positions[7] = b"0-0"
    return list(share.read(0.0)), share.dropped


def of_times(count: int) -> Any:
    rows = np.zeros(count, VOLUME)
    rows["time"] = np.arange(count)
    return rows


OBSERVATION = Observation(
    "dns", 1, 2, "192.0.2.1", "192.0.2.2", 53, 53, "", "", 0, 17, 0, 3, {"names": ("a", "b")}
)
EVENT = LogEvent(LogKind.AUTH_FAILED, 1, "/var/log/auth.log", "sshd", "192.0.2.1")


def odd(record: Any, **values: Any) -> Any:
    """Return a record of which a field is what it should not be."""
    return replace(record, **values)


def test_a_window_is_taken() -> None:
    sent = Window(
        1, 2, 3, 4, volumes=of_times(MOST_TIMES), observations=(OBSERVATION,), events=(EVENT,),
        counters={"dropped": 1},
    )  # fmt: skip
    windows, dropped = read(sent)
    assert [each.end for each in windows] == [2]
    assert dropped == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"volumes": np.zeros(1, HOST)},
        {"volumes": [1, 2]},
        {"end": "later"},
        {"end": 2**70},
        {"observations": ("none",)},
        {"events": [1]},
        {"packets": "many"},
        {"octets": -1},
        {"learning": None},
        {"counters": {"dropped": "x"}},
        {"counters": ()},
        {"observations": (odd(OBSERVATION, src=None),)},
        {"observations": (odd(OBSERVATION, time=1.5),)},
        {"observations": (odd(OBSERVATION, fields={"name": (1, 2)}),)},
        {"observations": (odd(OBSERVATION, fields={"name": {"a": 1}}),)},
        {"events": (odd(EVENT, address=7),)},
        {"events": (odd(EVENT, fields=None),)},
        {"volumes": of_times(MOST_TIMES + 1)},
    ],
)
def test_a_window_of_other_things_is_refused(odd: dict[str, Any]) -> None:
    assert read(Window(**{"start": 1, "end": 2, **odd})) == ([], 1)


def test_sensors_whose_clocks_differ_do_not_hold_each_other_up() -> None:
    merger, ahead, seen = Merger(), 1000, []
    for number in range(300):
        for slot in (number, number + ahead):  # One clock is minutes ahead of the other.
            rows = np.zeros(1, VOLUME)
            rows["time"] = slot * SLOT
            merger.take(Window(slot * SLOT, slot * SLOT, volumes=rows), number * SLOT)
        seen += [window.end // SLOT for window in merger.ready(number * SLOT)]
        assert len(merger._since) <= MOST_WAITING
    assert max(seen) > ahead


def test_rows_of_a_half_second_are_joined_in_their_order() -> None:
    merger = Merger()
    rows = np.zeros(6, VOLUME)
    rows["time"] = [2, 1, 2, 3, 1, 2]
    rows["hosts"] = range(6)
    rest = merger.take(Window(1, 2, volumes=rows), 0)
    assert rest is None
    kept = {time: parts[0]["hosts"].tolist() for time, parts in merger._volumes.items()}
    assert kept == {1: [1, 4], 2: [0, 2, 5], 3: [3]}
    assert [window.end for window in merger.ready(10**10)] == [1, 2, 3]


@pytest.mark.parametrize(("name", "kind"), [("uses", USE), ("requests", REQUEST)])
def test_what_is_told_after_the_packets_of_it_is_carried_too(name: str, kind: Any) -> None:
    window = odd(Window(1, 2), **{name: np.zeros(3, kind)})
    (cut,) = split(window, "edge").values()
    rest = Merger().take(cut, 0)
    assert rest is not None
    assert len(getattr(rest, name)) == 3
