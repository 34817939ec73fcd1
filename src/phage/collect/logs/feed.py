"""Feeds: where lines come from, and what they become."""

from __future__ import annotations

import glob
import os
import select
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from phage.collect.logs.follow import BLOCK, FollowedFile, Key, LineBuffer, key_of
from phage.records import LogEvent

if TYPE_CHECKING:
    from phage.collect.logs.positions import Position

Reader = Callable[[str, int], Iterable[LogEvent]]
"""Turns one line into events; the second argument is the time of reading."""

MOST_FILES = 256
"""Files that one pattern of names may stand for; those that are gone make room for others."""


@dataclass(slots=True)
class LineCounters:
    """What became of lines.

    Attributes:
        lines: Lines that were read.
        events: Events that they gave.
        ambiguous: Lines that could be read in several ways and were not believed.
        too_long: Lines or messages that were longer than is believed.
        untrusted: Lines that an ordinary account wrote under a service's name (journal).
        malformed: Lines that should be JSON and are not.
    """

    lines: int = 0
    events: int = 0
    ambiguous: int = 0
    too_long: int = 0
    untrusted: int = 0
    malformed: int = 0


class Feed(Protocol):
    """One source of lines."""

    name: str
    counters: LineCounters

    def open(self) -> None:
        """Open the source. Raises CaptureError."""

    def look(self, now: float) -> bool:
        """Look after files that came and went; tell whether `paths` or `descriptors` changed."""

    def descriptors(self) -> list[int]:
        """Return the descriptors that become readable when there is something to read."""

    def paths(self) -> list[Path]:
        """Return the files whose changes mean that there is something to read."""

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return the next events, and whether there is more at once."""

    def positions(self) -> Mapping[str, Position]:
        """Return how far was read, for the next start."""

    def has_ended(self) -> bool:
        """Tell whether nothing will ever come again."""

    def faults(self) -> list[str]:
        """Return what is wrong with the source, a line each."""

    def close(self) -> None:
        """Give the source back."""


def read_lines(
    lines: Iterable[str], reader: Reader, counters: LineCounters, now: int
) -> list[LogEvent]:
    """Return the events of lines, and count both."""
    events: list[LogEvent] = []
    count = 0
    for line in lines:
        count += 1
        events += reader(line, now)
    counters.lines += count
    counters.events += len(events)
    return events


@dataclass(slots=True)
class FileFeed:
    """Files by name or pattern of names, followed, or read once to their end.

    Attributes:
        name: The path or the pattern.
        reader: What lines become.
        counters: What became of lines.
        longest: Octets of the longest line.
        saved: Where reading stopped before a restart.
        follow: Whether more may come.
        from_end: Whether what is there at the beginning is left out.
    """

    name: str
    reader: Reader
    counters: LineCounters
    longest: int
    saved: Mapping[str, Position] = field(default_factory=dict)
    follow: bool = True
    from_end: bool = True
    _files: dict[Path, FollowedFile] = field(default_factory=dict, init=False)
    _left_out: int = field(default=0, init=False)
    _looked: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)
    _too_long: int = field(default=0, init=False)

    def open(self) -> None:
        """Leave opening to the first look; it is no fault when there is no file yet."""

    def look(self, now: float) -> bool:
        """Look for files that came, went, or were shortened."""
        self._left_out = 0
        paths = self._expanded()
        fresh = [path for path in paths if path not in self._files]
        self._make_room(len(fresh), paths)
        files = self._files.values() if fresh else ()
        known = {key: each for each in files for key in each.open_keys()}
        changed = False
        for path in fresh:
            changed |= self._follow(path, known, now)
        self._looked = True
        for file in self._files.values():
            changed |= file.look(now)
        return changed

    def _follow(self, path: Path, known: dict[Key, FollowedFile], now: float) -> bool:
        """Begin to read a path, unless it is another name of what is `known`; tell whether."""
        key = key_of(path)
        other = known.get(key) if key is not None else None
        if other is not None and key_of(other.path) == key:
            return False
        if len(self._files) >= MOST_FILES:
            self._left_out += 1
            return False
        # What appears later is read whole, and what was moved here from where it was read.
        from_end = self.follow and self.from_end and not self._looked
        moved = other.hand_over(key) if other is not None and key is not None else None
        file = FollowedFile(path, self.longest, moved or self.saved.get(str(path)), from_end)
        self._files[path] = file
        file.look(now)
        known.update((each, file) for each in file.open_keys())
        return True

    def _make_room(self, count: int, paths: Iterable[Path]) -> None:
        """Forget files that are gone, the first ones first, as far as others need their room."""
        lacking = len(self._files) + count - MOST_FILES
        if lacking > 0:
            there = set(paths)
            gone = [path for path, each in self._files.items() if not each.is_open]
            for path in [each for each in gone if each not in there][:lacking]:
                self._too_long -= self._files.pop(path).too_long

    def _expanded(self) -> list[Path]:
        if not glob.has_magic(self.name):
            return [Path(self.name)]
        return [Path(name) for name in sorted(glob.glob(self.name))]  # noqa: PTH207  An absolute pattern.

    def descriptors(self) -> list[int]:
        """Return none: files are always readable."""
        return []

    def paths(self) -> list[Path]:
        """Return the files."""
        return list(self._files)

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return the events of the next block of each file."""
        events: list[LogEvent] = []
        any_more = False
        for file in self._files.values():
            lines, more = file.read()
            any_more |= more
            if not more and not self.follow:
                lines = [*lines, *file.flush()]
            events += read_lines(lines, self.reader, self.counters, now)
        too_long = sum(file.too_long for file in self._files.values())
        self.counters.too_long += too_long - self._too_long
        self._too_long = too_long
        self._ended = not any_more and not self.follow
        return events, any_more

    def positions(self) -> Mapping[str, Position]:
        """Return how far each file was read."""
        found = ((str(path), file.position()) for path, file in self._files.items())
        return {name: position for name, position in found if position is not None}

    def has_ended(self) -> bool:
        """Tell whether the files were to be read once, and were."""
        return self._ended

    def faults(self) -> list[str]:
        """Return why files cannot be read."""
        found = [f"{path}: {file.fault}" for path, file in self._files.items() if file.fault]
        if not self.follow:
            missing = [path for path, file in self._files.items() if not file.is_open]
            found += [f"{path}: no such file" for path in missing if not self._files[path].fault]
        if self._left_out:
            found.append(f"{self.name}: more than {MOST_FILES} files; {self._left_out} left out")
        return found

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


@dataclass(slots=True)
class StreamFeed:
    """A pipe, a terminal or a file that is open, read to its end: standard input."""

    name: str
    reader: Reader
    counters: LineCounters
    longest: int
    descriptor: int = 0
    _lines: LineBuffer | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)

    def open(self) -> None:
        """Make ready to read."""
        self._lines = LineBuffer(self.longest)

    def look(self, now: float) -> bool:
        """Nothing comes or goes."""
        del now
        return False

    def descriptors(self) -> list[int]:
        """Return the descriptor until the end."""
        return [] if self._ended else [self.descriptor]

    def paths(self) -> list[Path]:
        """Return none."""
        return []

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return the events of the next block, if one has come."""
        if self._ended or self._lines is None or not select.select([self.descriptor], [], [], 0)[0]:
            return [], False
        before = self._lines.too_long
        octets = os.read(self.descriptor, BLOCK)
        self._ended = not octets
        lines = self._lines.feed(octets) if octets else self._lines.flush()
        self.counters.too_long += self._lines.too_long - before
        return read_lines(lines, self.reader, self.counters, now), not self._ended

    def positions(self) -> Mapping[str, Position]:
        """Return none: a stream cannot be read again."""
        return {}

    def has_ended(self) -> bool:
        """Tell whether the other side closed it."""
        return self._ended

    def faults(self) -> list[str]:
        """Return none."""
        return []

    def close(self) -> None:
        """Leave it open: it is not ours."""
