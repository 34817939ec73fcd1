"""What a daemon does about its memory can be done anywhere, and undone."""

from __future__ import annotations

import gc
import linecache
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.daemon import memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_is_there_at_the_start_is_not_looked_through_again() -> None:
    memory.share_arenas()
    memory.settle()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] > 10_000


@pytest.mark.usefixtures("collector")
def test_a_c_library_without_the_functions_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_of_c_library", lambda _name: None)
    memory.share_arenas()
    memory.settle()
    assert gc.get_freeze_count() > 0


def test_what_was_freed_is_given_back_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    trims: list[int] = []
    monkeypatch.setattr(memory, "_of_c_library", lambda _name: trims.append)
    clock = FixedClock(0)
    trimmer = memory.Trimmer(clock)
    for _ in range(60):
        trimmer.tick()
        clock.nanoseconds += 1_000_000_000
    assert trims == [0]


def test_that_lines_of_source_are_not_kept() -> None:
    assert linecache.getline(memory.__file__, 1)
    memory.trim()
    assert not linecache.cache
