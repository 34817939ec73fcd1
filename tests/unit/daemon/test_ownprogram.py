"""The worker that the daemon starts: how it ends is told."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, cast

import pytest

from phage.clock import SystemClock
from phage.daemon.ownprogram import OwnProgram, OwnWorker

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0


class Script:
    """Starts a few lines of Python in place of phage."""

    def __init__(self, text: str) -> None:
        self._text = text

    def command(self, *_: str) -> list[str]:
        return [sys.executable, "-c", self._text]


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give what is said of a worker that ended."""
    worker = OwnWorker(cast("OwnProgram", Script(request.param)), SystemClock(), idle=0.0)
    worker.wake()
    for thread in threading.enumerate():
        if thread.name == "phage-own-worker":
            thread.join(PATIENCE)
    yield worker.fault
    worker.close()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the worker was killed by SIGKILL"),
        ("import sys; sys.exit('no engine is there')", "no engine is there"),
        ("import sys; sys.exit(7)", "ended with 7"),
        ("pass", ""),
    ],
    indirect=["fault"],
)
def test_how_it_ended_is_told(fault: str, expected: str) -> None:
    assert fault == expected
