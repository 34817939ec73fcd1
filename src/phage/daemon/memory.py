"""Memory of a daemon that runs for months: little of it, and little work with it."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8
_ARENAS = 2
"""The GNU C library gives each thread that allocates an arena of its own, which is never given
back; those of a dozen threads that mostly wait come to megabytes."""


def share_arenas() -> None:
    """Have threads share what they allocate from; call it before there are any."""
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """Return what starting took, and have the garbage collector look at what is new, and seldom.

    A window makes thousands of short-lived tuples and no cycles; looking through all modules each
    time takes a third of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    trim = _of_c_library("malloc_trim")
    if trim is not None:
        trim(0)


def _of_c_library(name: str) -> ctypes._NamedFuncPointer | None:
    """Return a function that only some C libraries have."""
    return getattr(ctypes.CDLL(None), name, None)
