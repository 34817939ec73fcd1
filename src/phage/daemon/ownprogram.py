"""Other runs of phage that the daemon starts, with its settings, as the account that it runs as."""

from __future__ import annotations

import json
import logging
import signal
import subprocess  # noqa: TID251  Starts phage itself.
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0
"""How soon a worker that ended in disorder is started again."""

STOP_SECONDS = 20.0
"""How long a worker may take to finish the file at work."""

KEPT_LINES = 20


@frozen
class OwnProgram:
    """How phage is started with the settings of this one.

    Attributes:
        settings_file: The settings file in use; None for none.
        state: The folder of state.
    """

    settings_file: Path | None
    state: Path

    def command(self, *arguments: str) -> list[str]:
        """Return what is to be run."""
        settings = ("--config", str(self.settings_file)) if self.settings_file else ()
        return [
            sys.executable, "-m", "phage", *arguments, *settings, "--state-dir", str(self.state)
        ]  # fmt: skip

    def answer(self, *arguments: str, seconds: float) -> Any:  # noqa: ANN401  JSON.
        """Return what a command prints as JSON. Raises PhageError when it says none in time."""
        try:
            done = subprocess.run(  # noqa: S603  Ourselves.
                self.command(*arguments, "--output", "json"),
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"phage {arguments[0]}: no answer within {seconds:g} s"
            raise PhageError(message) from None
        try:
            return json.loads(done.stdout)
        except ValueError:
            said = done.stderr.strip().splitlines()
            message = said[-1] if said else f"phage {arguments[0]} ended with {done.returncode}"
            raise PhageError(message) from None


class OwnWorker:
    """A worker of this machine: started with the first file, ended when there is none for long.

    Engines and sandboxes so take no memory of a phage that scans no files.
    """

    def __init__(self, program: OwnProgram, clock: Clock, *, idle: float) -> None:
        self._program = program
        self._clock = clock
        self._idle = idle
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._not_before = 0.0
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self.fault = ""
        """Why the last one ended in disorder; '' when it did not."""

    def wake(self) -> None:
        """Start it unless it runs, or has just ended in disorder."""
        with self._lock:
            too_soon = self._clock.monotonic() < self._not_before
            if self._stop.is_set() or self._is_alive() or too_soon:
                return
            arguments = ("worker", *(("--idle", f"{self._idle:g}") if self._idle else ()))
            try:
                self._process = subprocess.Popen(  # noqa: S603  Ourselves.
                    self._program.command(*arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                )
            except OSError as error:
                self._failed(str(error))
                return
            self.fault = ""
            threading.Thread(
                target=self._watch, args=(self._process,), name="phage-own-worker", daemon=True
            ).start()

    def stand(self) -> None:
        """Keep it running from now on: fronts and watched folders wait for nobody's file."""
        self.wake()
        threading.Thread(target=self._keep, name="phage-own-keeper", daemon=True).start()

    def _keep(self) -> None:
        while not self._stop.wait(AGAIN_SECONDS):
            self.wake()

    def close(self) -> None:
        """End it, after the file at work."""
        self._stop.set()
        with self._lock:
            process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Hand on what it says, and note how it ends."""
        assert process.stderr is not None  # noqa: S101  Asked for above.
        with process.stderr:
            for line in process.stderr:
                self._said.append(line.strip())
                _log.info("worker: %s", line.strip()[:1000])
        code = process.wait()
        if code and not self._stop.is_set():
            last = next((line for line in reversed(self._said) if line), "")
            killed = f"the worker was killed by {_signal(-code)}" if code < 0 else ""
            self._failed(killed or last or f"ended with {code}")

    def _failed(self, why: str) -> None:
        self.fault = why
        self._not_before = self._clock.monotonic() + AGAIN_SECONDS
        _log.error("files are not scanned: %s", why, extra={"limit": "own-worker"})


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
