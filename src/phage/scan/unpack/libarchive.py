"""libarchive (BSD licence) by ctypes: archives and compressed files, streamed, with passwords.

Source: archive_read(3), archive_entry(3). Only what is needed to read.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

_END, _OK, _RETRY, _WARN, _FATAL = 1, 0, -10, -20, -30
BLOCK = 256 * 1024
_WITHOUT_OCTETS = frozenset({0o040000, 0o120000})
"""Types of folders and links (stat(2)). All else is read: an archive may say no type, or a wrong
one, and hold a file."""


class ArchiveError(Exception):
    """An archive cannot be read on; `encrypted` where the password is what is missing."""

    def __init__(self, message: str, *, encrypted: bool = False) -> None:
        super().__init__(message)
        self.encrypted = encrypted


@frozen
class Header:
    """One entry: its name, whether it is a folder or a link, whether it is encrypted."""

    name: str
    is_empty: bool
    encrypted: bool


def library() -> ctypes.CDLL:
    """Return the library. Raises OSError where it is not installed."""
    name = ctypes.util.find_library("archive") or "libarchive.so.13"
    loaded = ctypes.CDLL(name)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for function, result, arguments in (
        ("archive_version_string", text, ()),
        ("archive_read_new", pointer, ()),
        ("archive_read_free", ctypes.c_int, (pointer,)),
        ("archive_read_support_filter_all", ctypes.c_int, (pointer,)),
        ("archive_read_support_format_all", ctypes.c_int, (pointer,)),
        ("archive_read_support_format_raw", ctypes.c_int, (pointer,)),
        ("archive_read_add_passphrase", ctypes.c_int, (pointer, text)),
        ("archive_read_open_fd", ctypes.c_int, (pointer, ctypes.c_int, ctypes.c_size_t)),
        ("archive_read_next_header", ctypes.c_int, (pointer, ctypes.POINTER(pointer))),
        ("archive_read_data", ctypes.c_ssize_t, (pointer, pointer, ctypes.c_size_t)),
        ("archive_error_string", text, (pointer,)),
        ("archive_entry_pathname_utf8", text, (pointer,)),
        ("archive_entry_pathname", text, (pointer,)),
        ("archive_entry_filetype", ctypes.c_uint, (pointer,)),
        ("archive_entry_is_encrypted", ctypes.c_int, (pointer,)),
    ):
        each = getattr(loaded, function)
        each.restype, each.argtypes = result, arguments
    return loaded


class Archive:
    """One archive, read once from the beginning to the end.

    `raw` reads a compressed file that is no archive as one entry.
    """

    def __init__(
        self, loaded: ctypes.CDLL, descriptor: int, passwords: tuple[str, ...], *, raw: bool
    ) -> None:
        self._library = loaded
        self._archive = ctypes.c_void_p(loaded.archive_read_new())
        self._buffer = ctypes.create_string_buffer(BLOCK)
        loaded.archive_read_support_filter_all(self._archive)
        if raw:
            loaded.archive_read_support_format_raw(self._archive)
        else:
            loaded.archive_read_support_format_all(self._archive)
            for password in passwords:
                loaded.archive_read_add_passphrase(self._archive, password.encode())
        if loaded.archive_read_open_fd(self._archive, descriptor, BLOCK) != _OK:
            message = self._message()
            self.close()
            raise ArchiveError(message)

    def headers(self) -> Iterator[Header]:
        """Yield the entries; `data` yields the octets of the last one. Raises ArchiveError."""
        entry = ctypes.c_void_p()
        while True:
            code = self._library.archive_read_next_header(self._archive, ctypes.byref(entry))
            if code == _END:
                return
            if code < _WARN or code == _RETRY:
                raise ArchiveError(self._message(), encrypted=self._is_about_password())
            name = self._library.archive_entry_pathname_utf8(entry)
            name = name or self._library.archive_entry_pathname(entry) or b""
            yield Header(
                name.decode("utf-8", "replace"),
                self._library.archive_entry_filetype(entry) in _WITHOUT_OCTETS,
                self._library.archive_entry_is_encrypted(entry) > 0,
            )

    def data(self) -> Iterator[bytes]:
        """Yield the octets of the entry. Raises ArchiveError."""
        while True:
            count = self._library.archive_read_data(self._archive, self._buffer, BLOCK)
            if count == 0:
                return
            if count < 0:
                raise ArchiveError(self._message(), encrypted=self._is_about_password())
            yield ctypes.string_at(self._buffer, count)

    def close(self) -> None:
        """Let go of the archive."""
        if self._archive.value:
            self._library.archive_read_free(self._archive)
            self._archive = ctypes.c_void_p()

    def _message(self) -> str:
        said = self._library.archive_error_string(self._archive)
        return said.decode("utf-8", "replace") if said else "cannot be read"

    def _is_about_password(self) -> bool:
        message = self._message().lower()
        return any(word in message for word in ("passphrase", "password", "encrypt"))
