"""How much is let in: the largest file, the room on the disk, files a minute of each."""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from phage.scan.content import Intake
from phage.scan.desk import NoRoomError, TooLargeError, TooManyError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock

RESERVE = 256 * 2**20
"""Octets of the disk that no file gets: the store is on it as well."""


class Quota:
    """Counts what everybody brings in a minute; the least recent of many are forgotten."""

    MOST = 10_000

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def charge(self, who: str) -> None:
        """Count one more file. Raises TooManyError."""
        if not self._most or not who:
            return
        now = self._clock.now() / 1e9
        minute = int(now // 60)
        with self._lock:
            then, count = self._counts.pop(who, (minute, 0))
            count = count if then == minute else 0
            self._counts[who] = (minute, min(count + 1, self._most))
            if len(self._counts) > self.MOST:
                self._counts.popitem(last=False)
        if count >= self._most:
            message = f"{self._most} files a minute are taken of each (scan.uploads_a_minute)"
            raise TooManyError(message, 60 - now % 60)


class BoundedIntake(Intake):
    """An intake that keeps to the largest file, and leaves room on the disk."""

    CHECK = 16 * 2**20
    """Octets after which it is looked again how much room there is."""

    def __init__(self, folder: Path, largest: int, size: int) -> None:
        if size > largest:
            raise too_large(largest)
        self._most = largest
        self._room_of = folder
        self._next_look = 0
        self._require(size)
        super().__init__(folder)

    def write(self, data: bytes) -> None:
        """Take octets. Raises TooLargeError, NoRoomError."""
        if self.size + len(data) > self._most:
            raise too_large(self._most)
        if self.size >= self._next_look:
            self._next_look = self.size + self.CHECK
            self._require(0)
        try:
            super().write(data)
        except OSError as error:
            raise no_room(error.strerror or str(error)) from error

    def _require(self, size: int) -> None:
        free = shutil.disk_usage(self._room_of).free
        if free < 2 * size + RESERVE:  # Once as it comes, once as it is kept.
            why = f"{free:,} octets are free"
            raise no_room(why)


def too_large(most: int) -> TooLargeError:
    """Return the refusal of a file that is too large."""
    return TooLargeError(f"a file has at most {most:,} octets (scan.largest, scan.keep_size)")


def no_room(why: str) -> NoRoomError:
    """Return the refusal of a file for lack of room."""
    return NoRoomError(f"there is no room for the file on phage's disk: {why}")
