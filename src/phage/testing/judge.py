"""A judge that knows one virus, the EICAR test file, for tests of fronts."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    Outcome,
    Reason,
    Sample,
    Verdict,
)
from phage.scan.content import Content, Intake
from phage.scan.desk import NoRoomError, TooLargeError
from phage.scan.trials import EICAR

if TYPE_CHECKING:
    from pathlib import Path

LABEL = "Eicar Test"


class _Bounded(Intake):
    """An intake that takes no more than it is to."""

    def __init__(self, folder: Path, largest: int) -> None:
        super().__init__(folder)
        self._largest = largest

    def write(self, data: bytes) -> None:
        """Take octets. Raises TooLargeError."""
        if self.size + len(data) > self._largest:
            message = "the file is too large"
            raise TooLargeError(message)
        super().write(data)


class FakeJudge:
    """Finds EICAR; holds "odd" to be incomplete, takes too long on "slow", fails on "full"."""

    def __init__(self, folder: Path, largest: int = 2**20) -> None:
        self.largest = largest
        self.fingerprint = "f" * 32
        self.names: list[str] = []
        self.sizes: list[int] = []
        self._folder = folder
        self.has_room = True

    def intake(self, size: int = 0) -> Intake:
        """Return what a file is written to."""
        if not self.has_room:
            message = "there is no room for the file"
            raise NoRoomError(message)
        if size > self.largest:
            message = "the file is too large"
            raise TooLargeError(message)
        return _Bounded(self._folder, self.largest)

    def judge(self, content: Content, name: str, seconds: float) -> Verdict:
        """Return a verdict."""
        self.names.append(name)
        self.sizes.append(content.size)
        if "slow" in name:
            message = f"no verdict within {seconds:g} s"
            raise TimeoutError(message)
        if "full" in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        infected = EICAR in bytes(content.data)
        outcome = Outcome.INFECTED if infected else Outcome.CLEAN
        reasons: tuple[Reason, ...] = ()
        if infected:
            reasons = (Reason(outcome, f"yara: {LABEL} in {name}", "yara"),)
        elif "odd" in name or b"odd" in bytes(content.data):
            outcome = Outcome.INCOMPLETE
            reasons = (Reason(outcome, "x.zip: encrypted:\nno password fits"),)
        row = EngineResult("yara", EngineKind.EVILNESS, Category.MALICIOUS, LABEL)
        hashes = content.hashes
        sample = Sample(hashes.sha256, hashes.sha1, hashes.md5, content.size, content.kind)
        return Verdict(
            "v",
            sample,
            outcome,
            complete=outcome is not Outcome.INCOMPLETE,
            time=0,
            reasons=reasons,
            results=(row,) if infected else (),
        )
