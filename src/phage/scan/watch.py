"""Watch folders: files that are new or have changed, once they are whole.

Folders are looked at every few seconds: that works on network file systems too, where the kernel's
notices do not.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)

MOST = 200_000
"""Files that are remembered; more are left unwatched, and counted."""

PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE,
     errno.ETIMEDOUT}
)  # fmt: skip
"""Faults of the machine, not of a file: it comes again at the next look."""

State = tuple[int, int, int]
"""A file as it was seen: inode, size, time of change in nanoseconds."""


@dataclass
class WatchedFolders:
    """Folders and all below them.

    Attributes:
        folders: The folders.
        take: Called with each file that is new or has changed; False when it is to come again.
        dropped: Files that were left unwatched for lack of room.
        faults: What could not be read, by folder.
    """

    folders: tuple[Path, ...]
    take: Callable[[Path], bool]
    dropped: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    _taken: dict[Path, State] = field(default_factory=dict)
    _growing: dict[Path, State] = field(default_factory=dict)

    def look(self) -> int:
        """Look once; return how many files were taken.

        A file is taken when two looks in a row see it the same: nobody writes to it any more.
        """
        seen = dict(self._seen())
        taken = 0
        for path, state in seen.items():
            if self._taken.get(path) == state:
                continue
            if self._growing.get(path) != state:
                continue
            try:
                if self.take(path):
                    self._taken[path] = state
                    taken += 1
            except (OSError, ValueError) as error:  # The latter for a name that is no text.
                passes = getattr(error, "errno", None) in PASSING
                if not passes:
                    self._taken[path] = state  # It is read again when it changes.
                limit = {"limit": "watch"} if passes else {}
                _log.warning("watch folder: %s: %s", path, error, extra=limit)
            except PhageError as error:  # The store or the queue: it comes again at the next look.
                _log.warning("watch folder: %s: %s", path, error, extra={"limit": "watch"})
        self._growing = {path: state for path, state in seen.items() if path not in self._taken
                         or self._taken[path] != state}  # fmt: skip
        self._taken = {path: state for path, state in self._taken.items() if path in seen}
        return taken

    def _seen(self) -> Iterator[tuple[Path, State]]:
        count = 0
        self.faults.clear()
        for top in self.folders:
            for folder, _, names in os.walk(top, onerror=self._refuse):
                for name in names:
                    count += 1
                    if count > MOST:
                        self.dropped += 1
                        continue
                    path = Path(folder) / name
                    try:
                        about = path.lstat()
                    except OSError:
                        continue  # It went meanwhile.
                    if stat.S_ISREG(about.st_mode):
                        yield path, (about.st_ino, about.st_size, about.st_mtime_ns)

    def _refuse(self, error: OSError) -> None:
        self.faults[str(error.filename)] = error.strerror or str(error)
