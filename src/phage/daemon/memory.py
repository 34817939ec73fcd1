"""Memory of a daemon that runs for months: little of it, and little work with it."""

from __future__ import annotations

import ctypes
import gc
import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phage.clock import Clock

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS = 2
"""The GNU C library gives each thread that allocates an arena of its own, which is never given
back; those of a dozen threads that mostly wait come to megabytes."""

_LARGE = 128 * 1024
"""Octets from which on something gets pages of its own, which are given back when it goes. Left to
itself the C library raises this with each large piece that is freed, to 32 MB: then the columns of
windows come to lie between what lives on."""

TRIM_SECONDS = 30.0
"""How often what was freed is given back: the C library does so only from the end of its memory,
and holes between what lives on come to 6 MB in a minute of traffic. It takes a millisecond."""


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
    """Give what was freed back to the system, and the lines of source that tracebacks may quote.

    FastAPI looks up each route's, in case it ever fails.
    """
    linecache.clearcache()
    trim_all = _of_c_library("malloc_trim")
    if trim_all is not None:
        trim_all(0)


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
