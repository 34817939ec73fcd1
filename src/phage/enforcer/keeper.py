"""Keeps the enforcer alive: whoever kills it finds another a moment later.

The keeper has the enforcer's one capability and does nothing but fork, wait and fork again. Its
memory is the enforcer's, shared. When the keeper itself is killed the enforcer goes with it, so
that there are never two.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.clock import Clock

_log = logging.getLogger(__name__)

PAUSES = (0.05, 0.5, 2.0, 5.0)
"""Seconds before another start, after deaths in a row; the last is repeated."""
STEADY_SECONDS = 10.0
"""One that lived so long died of something new: the pauses begin anew."""
REFUSED = 1
"""Exit code of one that cannot do its work, for a reason that another start does not mend."""
CRASHED = 70

_SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
_PR_SET_PDEATHSIG = 1


def keep(serve: Callable[[], None], clock: Clock) -> None:
    """Run `serve` in a process of its own until it returns; again when that process dies.

    To be called before any thread is started. SIGTERM and SIGINT are handed on, and end it. Raises
    PhageError when `serve` raised one.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    gc.freeze()  # What is shared stays shared: a collection would write into every page.
    try:
        deaths = 0
        while True:
            since = clock.monotonic()
            status = _watched(_fork(serve, previous))
            code = os.waitstatus_to_exitcode(status)
            if code == 0:
                return
            if code == REFUSED:
                message = "the enforcer cannot do its work"
                raise PhageError(message)
            deaths = 0 if clock.monotonic() - since > STEADY_SECONDS else deaths
            pause = PAUSES[min(deaths, len(PAUSES) - 1)]
            deaths += 1
            _log.error("the enforcer died (%s); another starts", _how(code))
            if signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, pause) is not None:
                return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _fork(serve: Callable[[], None], mask: set[int | signal.Signals]) -> int:
    """Start a child that serves; return its process id."""
    keeper = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:  # It died before we asked to be told.
            os._exit(CRASHED)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        serve()
    except PhageError as error:
        sys.stderr.write(f"phage enforcer: {error}\n")
        os._exit(REFUSED)
    except BaseException:  # noqa: BLE001  A child must not return into its parent's code.
        _log.exception("the enforcer failed")
        os._exit(CRASHED)
    os._exit(0)


def _watched(child: int) -> int:
    """Wait for a child's end, handing on what asks us to end; return its status."""
    while True:
        told = signal.sigwaitinfo(_SIGNALS).si_signo
        if told != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
