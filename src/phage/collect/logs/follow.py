"""Follows one file that is written to, moved away and made anew by others."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.collect.logs.positions import Position, position_of

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 256 * 1024
"""Octets that are read at a time: some thousand lines."""

RETIRED_SECONDS = 30.0
"""A daemon goes on writing to a file that was moved away until it is told to open the new one."""
MOST_RETIRED = 4
"""Files that were moved away and are read on; of more the oldest goes."""


Key = tuple[int, int]
"""Device and inode: which file it is, whatever its names."""


def key_of(file: Path | int) -> Key | None:
    """Return which file is behind a path or a descriptor; None for none."""
    try:
        status = os.fstat(file) if isinstance(file, int) else file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class LineBuffer:
    """Cuts octets into lines; what is longer than a line may be is left out and counted.

    Such a line is never cut and believed: its sender would choose where it ends.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.too_long = 0
        self._rest = b""
        self._skipping = False

    @property
    def pending(self) -> int:
        """How many octets wait for the end of their line."""
        return len(self._rest)

    def feed(self, octets: bytes) -> list[str]:
        """Return the lines that end in these octets; nothing but a line feed ends one."""
        block = self._rest + octets
        end = block.rfind(b"\n")
        if end < 0:
            self._keep(block)
            return []
        self._rest = b""
        ended = block[:end].replace(b"\r\n", b"\n").removesuffix(b"\r")  # `sshd -E` writes both.
        lines = ended.decode("utf-8", "backslashreplace").split("\n")
        if self._skipping:
            self._skipping = False
            del lines[0]
        self._keep(block[end + 1 :])
        if len(block) > self.longest:
            fitting = [line for line in lines if len(line) <= self.longest]
            self.too_long += len(lines) - len(fitting)
            return fitting
        return lines

    def flush(self) -> list[str]:
        """Return the last line of a source that has ended, though nothing ends it."""
        lines = self.feed(b"\n") if self._rest else []
        self._skipping = False
        return lines

    def clear(self) -> None:
        """Forget the beginning of a line whose end will not come."""
        self._rest = b""
        self._skipping = False

    def _keep(self, rest: bytes) -> None:
        if self._skipping:
            return
        if len(rest) > self.longest:
            self._skipping = True
            self.too_long += 1
            rest = b""
        self._rest = rest


@dataclass(slots=True)
class _Open:
    """An open file and how far it was read."""

    descriptor: int
    lines: LineBuffer
    offset: int = 0
    until: float = 0.0

    def read(self) -> tuple[list[str], bool]:
        """Return the next lines, and whether there is more at once."""
        octets = os.pread(self.descriptor, BLOCK, self.offset)
        self.offset += len(octets)
        return (self.lines.feed(octets) if octets else []), len(octets) == BLOCK

    @property
    def key(self) -> Key | None:
        """Which file it is; None where a network file system took it away."""
        return key_of(self.descriptor)

    def position(self) -> Position | None:
        """Return how far it was read, up to the end of a line."""
        try:
            return position_of(self.descriptor, max(0, self.offset - self.lines.pending))
        except OSError:
            return None

    def is_over(self, now: float) -> bool:
        """Tell whether its time has come, and all of it was read."""
        if now < self.until:
            return False
        try:
            return os.fstat(self.descriptor).st_size <= self.offset
        except OSError:
            return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


@dataclass(slots=True)
class FollowedFile:
    """One log by its path, whatever file is behind it.

    Attributes:
        path: The log.
        longest: Octets of the longest line that is read.
        saved: Where reading stopped before a restart.
        from_end: Whether what is there at the first look is left out.
        rotations: How often another file took its place.
        truncations: How often it was shortened.
        fault: Why it cannot be read; '' when it can, or is not there.
    """

    path: Path
    longest: int
    saved: Position | None = None
    from_end: bool = True
    rotations: int = 0
    truncations: int = 0
    fault: str = ""
    _current: _Open | None = field(default=None, init=False)
    _retired: list[_Open] = field(default_factory=list, init=False)
    _looked: bool = field(default=False, init=False)
    _too_long: int = field(default=0, init=False)

    @property
    def is_open(self) -> bool:
        """Tell whether there is a file."""
        return self._current is not None

    @property
    def too_long(self) -> int:
        """How many lines were too long."""
        return self._too_long + sum(each.lines.too_long for each in self._all())

    def _all(self) -> list[_Open]:
        return [*self._retired, *([self._current] if self._current else [])]

    def open_keys(self) -> list[Key]:
        """Return which files are read here."""
        return [key for each in self._all() if (key := each.key) is not None]

    def hand_over(self, key: Key) -> Position | None:
        """Let go of a file that is at another path now; return how far it was read."""
        for each in self._all():
            if each.key == key:
                self.rotations += each is self._current
                position = each.position()
                self._forget(each)
                return position
        return None

    def look(self, now: float) -> bool:
        """Look what is behind the path; `now` is monotonic. Tell whether that changed."""
        for each in [each for each in self._retired if each.is_over(now)]:
            self._forget(each)
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.fault, self._looked = "", True
            self._miss(now)
            return False
        except OSError as error:
            self.fault, self._looked = str(error.strerror), True
            return False
        current = self._current
        if current is not None and current.key == (status.st_dev, status.st_ino):
            current.until = 0.0
            if status.st_size < current.offset:
                self._restart(current)
            return False
        opened = self._open()
        if opened is None:
            return False
        if current is not None:
            self._retire(current, now)
        else:
            self._place(opened, now)
        self._current = opened
        self._looked = True
        return True

    def read(self) -> tuple[list[str], bool]:
        """Return the next lines, older files first, and whether there is more at once."""
        for each in self._all():
            try:
                lines, more = each.read()
            except OSError as error:
                self.fault = str(error.strerror)
                continue
            if lines or more:
                return lines, more or each is not self._current
        return [], False

    def flush(self) -> list[str]:
        """Return the last line, though nothing ends it."""
        return self._current.lines.flush() if self._current is not None else []

    def position(self) -> Position | None:
        """Return how far it was read, for the next start."""
        return self._current.position() if self._current is not None else self.saved

    def close(self) -> None:
        """Close what is open."""
        for each in self._all():
            self._forget(each)

    def _open(self, path: Path | None = None) -> _Open | None:
        try:
            descriptor = os.open(path or self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            self.fault = str(error.strerror)
            return None
        self.fault = ""
        return _Open(descriptor, LineBuffer(self.longest))

    def _place(self, opened: _Open, now: float) -> None:
        """Set where a file is read from that is the first one seen at the path."""
        saved, self.saved = self.saved, None
        if saved is not None:
            if saved.is_of(opened.descriptor):
                opened.offset = saved.offset
            elif (older := self._moved_away(saved)) is not None:
                self._retire(older, now)
            return
        if self.from_end and not self._looked:
            opened.offset = os.fstat(opened.descriptor).st_size

    def _moved_away(self, saved: Position) -> _Open | None:
        """Find the file that was being read beside the path: it was moved while nobody looked."""
        for path in sorted(self.path.parent.glob(f"{_literal(self.path.name)}*")):
            opened = self._open(path) if path != self.path else None
            if opened is None:
                continue
            if saved.is_of(opened.descriptor):
                opened.offset = saved.offset
                return opened
            opened.close()
        return None

    def _miss(self, now: float) -> None:
        """Let go of a file that was removed, so that its room on the disk is free, after a while.

        One that comes back is read on from where reading stopped.
        """
        current = self._current
        if current is None:
            return
        if not current.until:
            current.until = now + RETIRED_SECONDS
        elif current.is_over(now):
            self.saved = self.position()
            self._forget(current)

    def _restart(self, current: _Open) -> None:
        """Read a file from its beginning that was shortened (copied away, then emptied)."""
        self.truncations += 1
        current.offset = 0
        current.lines.clear()

    def _retire(self, old: _Open, now: float) -> None:
        self.rotations += 1
        old.until = now + RETIRED_SECONDS
        self._retired.append(old)
        if len(self._retired) > MOST_RETIRED:
            self._forget(self._retired[0])

    def _forget(self, old: _Open) -> None:
        if old is self._current:
            self._current = None
        else:
            self._retired.remove(old)
        self._too_long += old.lines.too_long
        old.close()


def _literal(name: str) -> str:
    """Return a name as a pattern that matches itself only."""
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in name)
