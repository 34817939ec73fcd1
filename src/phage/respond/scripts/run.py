"""Runs programs: several at a time, each within a time limit, without a shell."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess  # noqa: TID251  A responder's program.
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock

MOST_SHOWN = 200
"""Characters of a program's own words in a receipt."""

MOST_READ = 4096
"""Octets of a program's output that are kept; the rest is read and dropped."""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}


@frozen
class Call:
    """One run of a program.

    Attributes:
        program: Absolute path.
        arguments: What follows it.
        document: What it reads from standard input.
    """

    program: str
    arguments: tuple[str, ...]
    document: str


@dataclass(slots=True)
class _Run:
    """A program that runs: where its output comes, what tells of its end, and until when it may."""

    index: int
    process: subprocess.Popen[bytes]
    output: int
    end: int
    deadline: float
    said: bytes = b""
    is_open: bool = True

    def listen(self) -> None:
        """Take what it says now."""
        with contextlib.suppress(BlockingIOError):
            octets = os.read(self.output, 65_536)
            self.is_open = bool(octets)
            self.said = (self.said + octets)[-MOST_READ:]

    def close(self) -> None:
        """Take its last words, and let go."""
        if self.is_open:
            self.listen()
        os.close(self.output)
        os.close(self.end)


@dataclass
class Runs:
    """Runs calls to their end.

    Attributes:
        clock: For time limits.
        at_once: Programs that run at the same time.
        seconds: Time limit of each; then it is killed, with all that it started in its session.
    """

    clock: Clock
    at_once: int
    seconds: float
    _running: dict[int, _Run] = field(default_factory=dict, init=False)

    def run(self, calls: Sequence[Call]) -> list[str]:
        """Run all; return for each '' or why it failed."""
        outcomes = [""] * len(calls)
        waiting = list(enumerate(calls))[::-1]
        while waiting or self._running:
            while waiting and len(self._running) < self.at_once:
                index, call = waiting.pop()
                outcomes[index] = self._start(index, call)
            self._wait()
            for run in self._ended():
                outcomes[run.index] = self._finish(run)
        return outcomes

    def _start(self, index: int, call: Call) -> str:
        """Start a call; return why it cannot be started, or ''."""
        document = os.memfd_create("document")
        output, its_output = os.pipe()
        try:
            os.write(document, call.document.encode())
            os.lseek(document, 0, os.SEEK_SET)
            process = subprocess.Popen(  # noqa: S603  The operator's program; no shell.
                [call.program, *call.arguments],
                stdin=document,
                stdout=its_output,
                stderr=its_output,
                env=_ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.close(output)
            return f"{call.program} cannot be started: {error}"
        finally:
            os.close(document)
            os.close(its_output)
        os.set_blocking(output, False)
        deadline = self.clock.monotonic() + self.seconds
        end = os.pidfd_open(process.pid)
        self._running[end] = _Run(index, process, output, end, deadline)
        return ""

    def _wait(self) -> None:
        """Wait until a program says something, ends, or is out of time."""
        if not self._running:
            return
        poll = select.poll()
        for run in self._running.values():
            poll.register(run.end, select.POLLIN)
            if run.is_open:
                poll.register(run.output, select.POLLIN)
        first = min(run.deadline for run in self._running.values())
        ready = {
            place for place, _ in poll.poll(max(0.0, first - self.clock.monotonic()) * 1e3 + 1)
        }
        for run in self._running.values():
            if run.output in ready:
                run.listen()

    def _ended(self) -> list[_Run]:
        """Take out the programs that ended or are out of time."""
        now = self.clock.monotonic()
        ended = [
            run
            for run in self._running.values()
            if run.process.poll() is not None or now >= run.deadline
        ]
        for run in ended:
            del self._running[run.end]
        return ended

    def _finish(self, run: _Run) -> str:
        """Return how a program ended: '' when it did what it was asked."""
        is_late = run.process.poll() is None
        if is_late:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()
        run.close()
        code = run.process.returncode
        if is_late:
            reason = f"killed after {self.seconds:g} s"
        elif code == 0:
            return ""
        else:
            reason = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        words = " ".join(run.said.decode("utf-8", "replace").split())
        shown = "".join(sign for sign in words if sign.isprintable())[-MOST_SHOWN:].strip()
        return f"{reason}: {shown}" if shown else reason
