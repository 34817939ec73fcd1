"""A file of lines that begins anew when it is large, and that a full disk does not stop."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock

RETRY_SECONDS = 10.0
"""After a failed write: how long until the next try. Lines until then are dropped and counted."""


class RotatingFile:
    """Appends lines to a file; keeps `count` older files beside it as NAME.1 (newest) to NAME.N.

    Attributes:
        lines: Lines written.
        dropped: Lines that could not be written.
        fault: Why the last write failed; '' when all is well.
    """

    def __init__(self, path: Path, size: int, count: int, clock: Clock) -> None:
        self.path = path
        self.lines = 0
        self.dropped = 0
        self.fault = ""
        self._size = size
        self._count = count
        self._clock = clock
        self._file: BinaryIO | None = None
        self._written = 0
        self._retry_at: float | None = None

    def write(self, lines: list[str]) -> None:
        """Append lines, whole or not at all; never raises for what the disk does."""
        if not lines:
            return
        if self._retry_at is not None and self._clock.monotonic() < self._retry_at:
            self.dropped += len(lines)
            return
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        try:
            self._append(data)
        except OSError as error:
            self._failed(error, len(lines))
            return
        self.lines += len(lines)
        self.fault = ""
        self._retry_at = None

    def _append(self, data: bytes) -> None:
        if self._file is not None and self._written and self._written + len(data) > self._size:
            self._rotate()
        if self._file is None or self._moved():
            self._open()
        assert self._file is not None  # noqa: S101
        before = self._written
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(before)  # Half a line would spoil the next one.
            raise
        self._written += len(data)

    def _open(self) -> None:
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640
        )
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        self._written = os.fstat(descriptor).st_size

    def _moved(self) -> bool:
        """Tell whether somebody else (logrotate) moved the file away."""
        assert self._file is not None  # noqa: S101
        try:
            there = self.path.stat()
        except OSError:
            return True
        mine = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)

    def _rotate(self) -> None:
        self.close()
        if self._count == 0:
            self.path.unlink(missing_ok=True)
            return
        for number in range(self._count - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _failed(self, error: OSError, lines: int) -> None:
        self.dropped += lines
        self.fault = f"{self.path}: {error.strerror or error}"
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        self.close()

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
