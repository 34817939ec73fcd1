"""Samples at rest: under their hash, disguised, never executable, within a size and an age.

A sample is disguised by inverting bits of each octet, so that nothing starts it by mistake and no
other scanner takes it for an infection of this machine. It is no encryption.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from phage.errors import PhageError
from phage.scan.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"phage sample 1\n"
_KEY = 0xA5
_TABLE = bytes(octet ^ _KEY for octet in range(256))
_HASH = re.compile(r"[0-9a-f]{64}")
CHUNK = 2**20
DAY = 86_400.0

ROOM = 0.9
"""Share of all that may be kept that is left when room is made: looking at all takes a while."""


class Readable(Protocol):
    """What octets are read from: a file, an answer over HTTP."""

    def read(self, count: int, /) -> bytes:
        """Return octets, fewer at the end."""


def revealed(
    source: Readable, name: str = "", folder: Path | None = None, most: int | None = None
) -> Content:
    """Return the sample that disguised octets are.

    Raises PhageError where they are none, or more than `most`.
    """
    if source.read(len(MAGIC)) != MAGIC:
        message = f"{name or 'what was read'}: is no sample of phage"
        raise PhageError(message)

    def chunks() -> Iterator[bytes]:
        size = 0
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if most is not None and size > most:
                message = f"{name or 'what was read'}: is larger than {most:,} octets"
                raise PhageError(message)
            yield chunk.translate(_TABLE)

    return Content.of_chunks(chunks(), name, folder)


@dataclass
class Vault:
    """Samples in a folder.

    Attributes:
        folder: Where they lie.
        most: Octets kept; the oldest go.
        refused: Samples that were not kept, as they are larger than all that is kept.
        crowded: Samples that went before their time, for newer ones.
    """

    folder: Path
    most: int = 5 * 10**9
    refused: int = 0
    crowded: int = 0
    _used: int = field(default=-1, init=False, repr=False)

    def put(self, content: Content) -> bool:
        """Keep a sample; one that is there counts as new. False when it is too large.

        Raises OSError where the file system is full.
        """
        if content.size > self.most:
            self.refused += 1
            return False
        path = self._path(content.hashes.sha256)
        if path.exists():
            os.utime(path)
            return True
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(content.size)
        with tempfile.NamedTemporaryFile(prefix=".new-", dir=path.parent, delete=False) as file:
            try:
                file.write(MAGIC)
                for chunk in content.chunks():
                    file.write(chunk.translate(_TABLE))
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        self._used += content.size
        return True

    def get(self, sha256: str, name: str = "") -> Content:
        """Return a sample. Raises PhageError when it is not kept."""
        path = self._path(sha256)
        with self.disguised(sha256) as file:
            content = revealed(file, name, self.folder)
        if content.hashes.sha256 != sha256:
            content.close()
            message = f"{path}: is damaged"
            raise PhageError(message)
        return content

    def disguised(self, sha256: str) -> BinaryIO:
        """Open a sample as it lies there, for `revealed`. Raises PhageError when it is not kept."""
        try:
            return self._path(sha256).open("rb")
        except OSError:
            message = f"the sample {sha256} is not kept any more; scan the file itself"
            raise PhageError(message) from None

    def touch(self, sha256: str) -> None:
        """Have a sample count as new: it is still needed."""
        with contextlib.suppress(OSError):
            os.utime(self._path(sha256))

    def has(self, sha256: str) -> bool:
        """Tell whether a sample is kept."""
        return self._path(sha256).exists()

    def remove(self, sha256: str) -> bool:
        """Remove a sample; False when it was not there."""
        path = self._path(sha256)
        with contextlib.suppress(OSError):
            path.unlink()
            return True
        return False

    def prune(self, before: float) -> int:
        """Remove what was last seen before a time (seconds since the epoch) or is too much.

        Returns how many went.
        """
        return self._prune(before, self.most)

    def _make_room(self, size: int) -> None:
        """Let the oldest go where a new one would be too much, with some room for those to come."""
        if self._used < 0:
            self._used = sum(size for _, size, _ in self._kept())
        if self._used + size > self.most:
            self.crowded += self._prune(0.0, max(0, int(self.most * ROOM) - size))

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):
                about = path.stat()
                yield about.st_mtime, about.st_size, path

    def _prune(self, before: float, most: int) -> int:
        found = sorted(self._kept())
        total = sum(size for _, size, _ in found)
        removed = 0
        for when, size, path in found:
            if when >= before and total <= most:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
                total -= size
        self._used = total
        return removed

    def prune_daily(self, before: float, now: float) -> int:
        """Prune unless that was done within a day: looking at every sample takes a while."""
        mark = self.folder / ".pruned"
        with contextlib.suppress(OSError):
            if now - mark.stat().st_mtime < DAY:
                return 0
        removed = self.prune(before)
        mark.touch()
        os.utime(mark, (now, now))
        return removed

    def _path(self, sha256: str) -> Path:
        if _HASH.fullmatch(sha256) is None:
            message = f"{sha256!r} is no SHA-256"
            raise PhageError(message)
        return self.folder / sha256[:2] / sha256[2:]
