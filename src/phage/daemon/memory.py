"""Memory of a daemon that runs for months: little of it, and little work with it."""

from __future__ import annotations

import ctypes
import gc
import linecache
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.clock import Clock

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_MADV_DONTNEED = 4
_ARENAS = 2
"""The GNU C library gives each thread that allocates an arena of its own, which is never given
back; those of a dozen threads that mostly wait come to megabytes."""

_LARGE = 128 * 1024
"""Octets from which on something gets pages of its own, which are given back when it goes. Left to
itself the C library raises this with each large piece that is freed, to 32 MB: then the columns of
windows come to lie between what lives on."""

TRIM_SECONDS = 30.0
"""How often what was freed is given back: the C library does so only from the end of its memory,
and holes between what lives on come to 6 MB in a minute of traffic. It takes some milliseconds."""

_MAPPINGS = Path("/proc/self/smaps")

_CLEAN = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) r-.p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+ +/.*\n"
    rb"(?:(?!Anonymous:)[A-Z].*\n)*Anonymous: +0 kB$",
    re.MULTILINE,
)
"""A mapping of a file that is only read, none of whose pages was changed (proc_pid_smaps(5))."""


def share_arenas() -> None:
    """Have threads share what they allocate from; call it before there are any."""
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def settle() -> None:
    """Return what starting took, and have the garbage collector look at what is new, and seldom.

    A window makes thousands of short-lived tuples and no cycles; looking through all modules each
    time takes a third of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    trim()


def trim() -> None:
    """Give back to the system what was freed, what of libraries is not in use, and lines of source.

    FastAPI looks up each route's, in case it ever fails.
    """
    linecache.clearcache()
    trim_all = _of_c_library("malloc_trim")
    if trim_all is not None:
        trim_all(0)
    _let_go_of_files()


def _let_go_of_files() -> None:
    """Take the pages of libraries out of this process (madvise(2)).

    They stay in the system's memory as long as it has room. What is used again comes from there, in
    a microsecond for sixteen pages; most of it was used only to start, 14 MB in all.
    """
    advise = _of_c_library("madvise")
    if advise is None:
        return
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with suppress(OSError):  # Where there is no /proc.
        for place in clean_files(_MAPPINGS.read_bytes()):
            advise(place.start, len(place), _MADV_DONTNEED)


def clean_files(mappings: bytes) -> Iterator[range]:
    """Yield the addresses of what is only read of files, and was never changed.

    What the loader of libraries wrote to, and locked then, is not among it: it would be lost.

    Args:
        mappings: As proc_pid_smaps(5) tells them.
    """
    for begin, end in _CLEAN.findall(mappings):
        yield range(int(begin, 16), int(end, 16))


class Trimmer:
    """Gives freed memory back from time to time.

    Args:
        clock: Tells how long it has been.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = clock.monotonic() + TRIM_SECONDS

    def tick(self) -> None:
        """Trim if it is due."""
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + TRIM_SECONDS
            trim()


def _of_c_library(name: str) -> ctypes._NamedFuncPointer | None:
    """Return a function that only some C libraries have."""
    return getattr(ctypes.CDLL(None), name, None)
