"""Where reading stopped, kept over a restart."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from phage.errors import StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VERSION = 1
# Beginnings of logs differ by their first time stamp.
_BEGINNING = 256
# More files than anyone follows; a damaged file must not fill the memory.
_LARGEST = 4 << 20


@frozen
class Position:
    """A place in a file: which file it was, how far it was read, how it began.

    An inode is given to another file once the first is removed, so the beginning (of `length`
    octets) is compared as well.
    """

    device: int = 0
    inode: int = 0
    offset: int = 0
    length: int = 0
    beginning: str = ""
    cursor: str = ""

    def is_of(self, descriptor: int) -> bool:
        """Tell whether an open file is the one that was read, and still has what was read."""
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            return False
        return status.st_size >= self.offset and self.begins(descriptor)

    def begins(self, descriptor: int) -> bool:
        """Tell whether a file begins as it did."""
        return _digest(descriptor, self.length) == self.beginning


def position_of(descriptor: int, offset: int) -> Position:
    """Return the position of an open file that was read up to an offset."""
    status = os.fstat(descriptor)
    length = min(offset, _BEGINNING)
    return Position(status.st_dev, status.st_ino, offset, length, _digest(descriptor, length))


def _digest(descriptor: int, length: int) -> str:
    return hashlib.blake2s(os.pread(descriptor, length, 0), digest_size=16).hexdigest()


def load(path: Path) -> dict[str, Position]:
    """Read saved positions by log; {} where none were saved. Raises StateError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST)
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StateError(message) from error
    try:
        document = json.loads(raw)
        if document["version"] != _VERSION:
            message = f"{path}: written by another version"
            raise StateError(message)
        return {name: _position(fields) for name, fields in document["logs"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = f"{path}: damaged ({error}); remove it to read the logs from their ends"
        raise StateError(message) from error


def _position(fields: Mapping[str, object]) -> Position:
    """Return a position. Raises TypeError or ValueError for one that nobody saved."""
    whole = asdict(Position()) | dict(fields)
    for name, value in asdict(Position()).items():
        if type(whole[name]) is not type(value):
            message = f"{name} is {whole[name]!r}"
            raise TypeError(message)
    position = Position(**whole)
    if min(position.offset, position.length) < 0 or position.length > _BEGINNING:
        message = f"offset {position.offset}, length {position.length}"
        raise ValueError(message)
    return position


def save(path: Path, positions: Mapping[str, Position]) -> None:
    """Write positions; the file is the old one or the new one, never half. Raises StateError."""
    document = {
        "version": _VERSION,
        "logs": {name: asdict(each) for name, each in positions.items()},
    }
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(document, file)
        fresh.replace(path)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise StateError(message) from error
