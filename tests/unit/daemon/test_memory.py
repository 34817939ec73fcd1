"""What a daemon does about its memory can be done anywhere, and undone."""

from __future__ import annotations

import gc
import hashlib
import linecache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
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
    functions = {"malloc_trim": trims.append}
    monkeypatch.setattr(memory, "_of_c_library", functions.get)
    clock = FixedClock(0)
    trimmer = memory.Trimmer(clock)
    for _ in range(60):
        trimmer.tick()
        clock.nanoseconds += 1_000_000_000
    assert trims == [0]


_MAPPINGS = b"""\
55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 100 kB
Anonymous:             0 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000001000 r--p 00000000 fe:00 1001                       /usr/lib/libone.so.3
Rss:                   4 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
7f0000001000-7f0000003000 r-xp 00001000 fe:00 1001                       /usr/lib/libone.so.3
Rss:                   8 kB
Anonymous:             0 kB
7f0000003000-7f0000004000 r--p 00003000 fe:00 1001                       /usr/lib/libone.so.3
Rss:                   4 kB
Anonymous:             4 kB
7f0000004000-7f0000005000 rw-p 00004000 fe:00 1001                       /usr/lib/libone.so.3
Rss:                   4 kB
Anonymous:             0 kB
7f0000005000-7f0000006000 r--s 00000000 fe:00 1002                       /var/lib/phage/shared
Rss:                   4 kB
Anonymous:             0 kB
7f0000006000-7f0000008000 r-xp 00000000 00:00 0                          [vdso]
Rss:                   4 kB
Anonymous:             0 kB
7f0000008000-7f0000009000 r-xp 00000000 fe:00 1003                       /opt/a name (deleted)
Rss:                   4 kB
Anonymous:             0 kB
"""


def test_only_files_that_nobody_changed_are_let_go_of() -> None:
    assert list(memory.clean_files(_MAPPINGS)) == [
        range(0x7F0000000000, 0x7F0000001000),
        range(0x7F0000001000, 0x7F0000003000),
        range(0x7F0000008000, 0x7F0000009000),
    ]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="of Linux")
def test_that_what_was_let_go_of_comes_back() -> None:
    def resident() -> int:
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
        return int(fields["Rss"].split()[0]) - int(fields["Anonymous"].split()[0])

    before = resident()
    memory.trim()
    assert resident() < before
    assert np.linalg.det(np.eye(3)) == 1.0
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")


def test_that_nothing_is_let_go_of_where_it_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_MAPPINGS", tmp_path / "nothing")
    memory.trim()


def test_that_lines_of_source_are_not_kept() -> None:
    assert linecache.getline(memory.__file__, 1)
    memory.trim()
    assert not linecache.cache
