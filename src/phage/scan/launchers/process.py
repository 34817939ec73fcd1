"""Workers as processes of this machine, each with an account of its sandbox and nothing else."""

from __future__ import annotations

import contextlib
import os
import subprocess  # noqa: TID251  The process launcher.
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.scan.launcher import Joining, LaunchError, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

END_SECONDS = 30.0
"""How long a worker may take to finish what it is at."""


@dataclass
class ProcessLauncher:
    """Starts `phage worker --join` on this machine.

    They end with the process that started them: its settings say anew how many there are to be.
    """

    name: ClassVar[str] = "process"
    summary: ClassVar[str] = "Processes of this machine."

    folder: str = ""
    """Where settings and state of its workers lie; '' for a temporary one."""
    _running: dict[str, tuple[str, subprocess.Popen[bytes]]] = field(
        default_factory=dict, init=False, repr=False
    )
    _temporary: tempfile.TemporaryDirectory[str] | None = field(
        default=None, init=False, repr=False
    )

    def start(self, fleet: str, worker: str, joining: Joining) -> Machine:
        """Start a process."""
        try:
            process = self._start(worker, joining)
        except OSError as error:
            message = f"a worker cannot be started here: {error}"
            raise LaunchError(message) from error
        self._running[worker] = (fleet, process)
        return Machine(str(process.pid), worker)

    def machines(self, fleet: str) -> Sequence[Machine]:
        """Return the processes that run."""
        for worker, (_, process) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[worker]
        return [
            Machine(str(process.pid), worker)
            for worker, (whose, process) in self._running.items()
            if whose == fleet
        ]

    def end(self, machine: Machine) -> None:
        """Have a process finish and end; kill one that does not."""
        _, process = self._running.pop(machine.worker, ("", None))
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End them all: nobody would look after them."""
        for worker, (_, process) in list(self._running.items()):
            process.terminate()
            self.end(Machine(str(process.pid), worker))
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.cleanup()
            self._temporary = None

    def _start(self, worker: str, joining: Joining) -> subprocess.Popen[bytes]:
        place = self._place() / worker
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = {
            "phage.yaml": joining.settings(),
            "token": joining.token,
            "ca.pem": joining.ca,
        }
        for name, text in files.items():
            path = place / name
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        command = [sys.executable, "-m", "phage", "worker", "--join", joining.url, "--name", worker,
                   "--token-file", str(place / "token"), "--config", str(place / "phage.yaml"),
                   "--state-dir", str(place / "state")]  # fmt: skip
        if joining.ca:
            command += ["--ca-file", str(place / "ca.pem")]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _place(self) -> Path:
        if self.folder:
            return Path(self.folder)
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="phage-workers-")
        return Path(self._temporary.name)
