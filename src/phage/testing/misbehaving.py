"""An engine that misbehaves as the file says: what the sandbox must survive."""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.records.sample import Category, EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults

if TYPE_CHECKING:
    from phage.scan.content import Content


@dataclass(kw_only=True)
class MisbehavingEngine(EngineDefaults):
    """Does what the first word of a file says."""

    name: ClassVar[str] = "misbehaving"
    summary: ClassVar[str] = "Does what the first word of a file says."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS

    timeout: float = 1.0
    """Seconds that one file may take."""
    memory: int = 128 * 2**20
    """Octets of memory that one file may take."""

    def scan(self, content: Content) -> Answer:
        """Do it."""
        word = content.head.split()[0].decode() if content.size else ""
        act = getattr(self, f"_{word}", None)
        found = act() if act is not None else None
        return found if isinstance(found, Answer) else Answer()

    def _evil(self) -> Answer:
        return Answer(Category.MALICIOUS, "Evil")

    def _hang(self) -> None:
        libc = ctypes.CDLL(None)
        while True:
            libc.sleep(1000)  # In C, where no signal handler of Python runs.

    def _spin(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass

    def _crash(self) -> None:
        ctypes.string_at(1)

    def _leave(self) -> None:
        os._exit(3)

    def _raise(self) -> None:
        message = "as the file says"
        raise ValueError(message)

    def _swallow(self) -> None:
        _all = bytearray(2**30)
        del _all

    def _fork(self) -> None:
        """Leave children behind that hold the pipe open."""
        for _ in range(20):
            if os.fork() == 0:
                self._hang()

    def _zygote(self) -> None:
        """Kill every process that can be reached, the zygote with it."""
        os.kill(-1, signal.SIGKILL)

    def _chatter(self) -> Answer:
        facts: dict[str, Fact] = {f"fact{number}": "x" * 5000 for number in range(5000)}
        return Answer(facts=facts)

    def _flood(self) -> None:
        """Write without end on every descriptor there is."""
        for descriptor in range(3, 64):
            try:
                while True:
                    os.write(descriptor, b"\xff" * 2**20)
            except OSError:
                continue

    def _lie(self) -> None:
        """Say in another engine's name that all is well, then end."""
        for descriptor in range(3, 64):
            try:
                body = b'{"result": "other", "category": "harmless"}'
                os.write(descriptor, len(body).to_bytes(4) + b"J" + body)
            except OSError:
                continue
        os._exit(0)
