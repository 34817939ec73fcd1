"""What detectors take from sensors: only windows, and never for ever more of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from phage.bus.codec import encode
from phage.bus.partitions import FIELD, MOST_WAITING, Merger, Share
from phage.records import Window
from phage.records.columns import HOST, VOLUME

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


def test_a_window_is_taken() -> None:
    windows, dropped = read(Window(1, 2, volumes=np.zeros(1, VOLUME)))
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
