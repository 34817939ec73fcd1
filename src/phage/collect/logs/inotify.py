"""The kernel's word that a file changed (inotify(7)), by the C library."""

from __future__ import annotations

import ctypes
import os

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_ATTRIB, _MOVE_SELF, _DELETE_SELF = 0x4, 0x800, 0x400

FILE = _MODIFY | _ATTRIB | _MOVE_SELF | _DELETE_SELF
"""A file was written to, shortened, moved or removed."""
FOLDER = _CREATE | _MOVED_TO
"""A file came into a folder."""

_BUFFER = 64 * 1024


class Inotify:
    """One instance of inotify. Raises OSError where the kernel gives none."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(
            self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1"
        )

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._descriptor

    def add(self, path: str, mask: int) -> int:
        """Watch a file or folder; return the number of the watch. Raises OSError."""
        return self._checked(
            self._library.inotify_add_watch(self._descriptor, os.fsencode(path), mask), path
        )

    def remove(self, watch: int) -> None:
        """End a watch; that it has ended already is no fault."""
        self._library.inotify_rm_watch(self._descriptor, watch)

    def drain(self) -> None:
        """Forget what was told: whoever is woken looks at all its files."""
        try:
            while os.read(self._descriptor, _BUFFER):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the instance back; its watches end."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @staticmethod
    def _checked(answer: int, what: str) -> int:
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), what)
        return answer
