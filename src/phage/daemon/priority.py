"""Threads that empty rings and sockets go before others: what they come too late for is lost.

A thread may raise itself as far as a limit of its process allows (getrlimit(2), RLIMIT_NICE), which
only root raises. It is raised before root is given up, and lowered once the threads run, so that
nothing that is started later can go before others.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NICE = -10
"""Nine times the share of others, where all want the processor."""

_LIMIT = 20 - NICE


def allow() -> None:
    """Let threads of this process go before others, where we may say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_NICE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NICE, (_LIMIT, max(hard, _LIMIT)))


def prefer(threads: Iterable[int]) -> int:
    """Have threads, by the kernel's number, go before others; return how many do.

    Where that is not allowed they run like all others.
    """
    preferred = 0
    for thread in threads:
        with suppress(OSError):  # One may have ended already.
            os.setpriority(os.PRIO_PROCESS, thread, NICE)
            preferred += 1
    return preferred


def forbid() -> None:
    """Let nothing else go before others."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
