"""The sandbox from the outside: a zygote, and the children that it forks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phage.scan.sandbox import wire
from phage.scan.sandbox.isolation import Isolation
from phage.scan.sandbox.kernel import Limits
from phage.scan.sandbox.launch import Launched, Walls, launch, readable_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.clock import Clock

START_SECONDS = 60.0
"""How long a zygote may take to load all engines; rule sets of thousands take some seconds."""

END_SECONDS = 2.0
"""How long a killed child may take to be gone, before the whole sandbox is replaced."""

TELL_SECONDS = 10.0
"""How long a zygote may take to read a request, before it is replaced."""

PROOF_SECONDS = 15.0
PROCESSES = 4096
"""Forks that the proof tries."""


@dataclass(frozen=True, slots=True)
class Load:
    """One engine as it is made inside: where its class is, and its settings."""

    name: str
    module: str
    kind: str
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sandbox is to hold.

    Attributes:
        engines: Engines to load.
        unpack: Load the extractor.
        readable: Files and folders that the engines need: definitions.
        limits: Limits of each child.
        bubblewrap: False to do without it, as where it does not work.
    """

    engines: tuple[Load, ...] = ()
    unpack: bool = False
    readable: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    bubblewrap: bool = True


class Child:
    """A process in the sandbox that serves one sample (or some, for engines that allow it)."""

    def __init__(self, sandbox: Sandbox, number: int, connection: socket.socket) -> None:
        self.sandbox = sandbox
        self.number = number
        self.samples = 0
        self._connection = connection
        self.reader = wire.Reader(connection, sandbox.clock)

    def ask(
        self, message: Mapping[str, Any], files: Sequence[int] = (), seconds: float = 30.0
    ) -> None:
        """Send a request. Raises SandboxError when the child is gone."""
        self.reader.deadline = self.sandbox.clock.monotonic() + seconds
        self._connection.settimeout(seconds)
        try:
            wire.send(self._connection, dict(message), files)
        except OSError as error:
            raise wire.SandboxGoneError(str(error)) from error

    def allow(self, seconds: float) -> None:
        """Give the child so many seconds from now."""
        self.reader.deadline = self.sandbox.clock.monotonic() + seconds

    def end(self) -> None:
        """Let it end by itself: there is nothing more to do."""
        self._connection.close()

    def kill(self) -> int:
        """Kill it and all that it started; return how it ended: -9 by this, -11 by itself."""
        self._connection.close()
        return self.sandbox.kill(self.number)


class Sandbox:
    """One zygote. Used by one thread at a time; `start` before the first child."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self.isolation: Isolation | None = None
        self.lacking: dict[str, str] = {}
        self._launched: Launched | None = None
        self._next = 0
        self._ended: dict[int, int] = {}

    @property
    def is_running(self) -> bool:
        """Tell whether the zygote is there."""
        return self._launched is not None and self._launched.process.poll() is None

    def start(self) -> Isolation:
        """Start and prove it. Raises SandboxError where not even limits can be had."""
        refused = ""
        for walls in self._choices():
            try:
                self._launch(walls)
            except (wire.SandboxError, OSError) as error:
                self.close()
                refused = str(error)
                continue
            means = "bubblewrap" if walls.bubblewrap else "Landlock"
            self.isolation = Isolation.of(self._prove(), means, refused)
            return self.isolation
        message = f"the sandbox cannot be started: {refused}"
        raise wire.SandboxError(message)

    def restart(self) -> None:
        """Start anew after the zygote was lost; the proof is not made again."""
        known = self.isolation
        self.close()
        if known is None:
            self.start()
            return
        walls = Walls(self.plan.readable)
        if known.means != "bubblewrap":
            walls = Walls(self.plan.readable, "")
        try:
            self._launch(walls)
        except OSError as error:
            raise wire.SandboxError(str(error)) from error

    def child(self) -> Child:
        """Fork a child."""
        if not self.is_running:
            self.restart()
        while self._hear(0):
            pass  # A zygote whose news nobody takes would wait for that in the end.
        outside, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._next += 1
        try:
            self._fork(inside)
        except (OSError, wire.SandboxError):
            outside.close()
            raise
        finally:
            inside.close()
        return Child(self, self._next, outside)

    def _fork(self, inside: socket.socket) -> None:
        try:
            self._tell({"fork": self._next}, inside)
        except OSError:
            self.restart()
            self._tell({"fork": self._next}, inside)

    def kill(self, number: int) -> int:
        """Kill a child; return the status that it ended with, its own if it was dead already."""
        with contextlib.suppress(OSError):
            self._tell({"kill": number})
        end = self.clock.monotonic() + END_SECONDS
        while number not in self._ended:
            left = end - self.clock.monotonic()
            if left <= 0 or not self._hear(left):
                self.close()  # The next child starts it anew.
                return -9
        return self._ended.pop(number)

    def close(self) -> None:
        """End the zygote with all its children."""
        if self._launched is not None:
            self._launched.end()
            self._launched = None
        self._ended.clear()

    def _choices(self) -> list[Walls]:
        choices = [Walls(self.plan.readable, "")]
        with_bubblewrap = Walls(self.plan.readable)
        if self.plan.bubblewrap and with_bubblewrap.bubblewrap:
            choices.insert(0, with_bubblewrap)
        return choices

    def _launch(self, walls: Walls) -> None:
        launched = self._launched = launch(walls)
        launched.control.settimeout(START_SECONDS)
        self._ended.clear()
        try:
            launched.control.send(json.dumps({"load": self._plan(walls, launched)}).encode())
            answer = launched.control.recv(2**16)
        except OSError:
            answer = b""
        if not answer:
            raise wire.SandboxGoneError(launched.complaint())
        ready = json.loads(answer)["ready"]
        self.lacking = {str(name): str(why)[:300] for name, why in ready["lacking"].items()}

    def _plan(self, walls: Walls, launched: Launched) -> dict[str, Any]:
        landlock = not walls.bubblewrap
        return {
            "uid": launched.uid,
            "work": launched.work,
            "engines": [
                {
                    "name": each.name,
                    "module": each.module,
                    "class": each.kind,
                    "settings": dict(each.settings),
                }
                for each in self.plan.engines
            ],
            "unpack": self.plan.unpack,
            "limits": {name: getattr(self.plan.limits, name) for name in Limits.__slots__},
            "landlock": landlock,
            "readable": [*readable_paths(walls), "/proc", "/dev"] if landlock else [],
            "writable": [launched.work] if landlock else [],
        }

    def _prove(self) -> dict[str, str]:
        """Let a child try the walls; what does not answer proves nothing."""
        child = self.child()
        message = {
            "request": "prove",
            "secret": "/etc/passwd",
            "outside": "/var/tmp",  # noqa: S108  Inside, it is the sandbox's own.
            "memory": 2 * self.plan.limits.memory,
            "processes": PROCESSES,
            "parent": os.getpid(),
            "command": Path("/proc/self/cmdline").read_bytes().hex(),
        }
        try:
            child.ask(message, seconds=PROOF_SECONDS)
            answer = child.reader.message()
        except wire.SandboxError as error:
            child.kill()
            return {"proof": f"the proof failed: {error}", "user": "unproven"}
        child.end()
        proof = answer.get("proof") if isinstance(answer, dict) else None
        if not isinstance(proof, dict):
            return {"proof": "the proof failed", "user": "unproven"}
        return {str(wall): str(fault)[:200] for wall, fault in proof.items()}

    def _tell(self, message: dict[str, Any], *connections: socket.socket) -> None:
        if self._launched is None:
            message_ = "the sandbox is not running"
            raise OSError(message_)
        self._launched.control.settimeout(TELL_SECONDS)
        body = json.dumps(message).encode()
        socket.send_fds(self._launched.control, [body], [each.fileno() for each in connections])

    def _hear(self, seconds: float) -> bool:
        """Take one message of the zygote; False when none comes."""
        if self._launched is None:
            return False
        self._launched.control.settimeout(seconds)
        try:
            data = self._launched.control.recv(2**12)
            told = json.loads(data)
            self._ended[int(told["gone"])] = int(told["status"])
        except (OSError, ValueError, KeyError):
            return False
        while len(self._ended) > 1000:  # Children that ended by themselves and nobody asks for.
            del self._ended[next(iter(self._ended))]
        return True
