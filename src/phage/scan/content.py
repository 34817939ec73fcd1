"""The content of one file: an open descriptor, never a name that somebody may change meanwhile."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from phage.frozen import frozen
from phage.scan.kinds import HEAD, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IN_MEMORY = 8 * 2**20
"""Octets of a file kept in memory; larger ones lie in the work folder, so that a bomb fills no
memory."""

CHUNK = 2**20
"""Octets read at a time."""

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@frozen
class Hashes:
    """The digests of a content, in lower-case hexadecimal."""

    sha256: str
    sha1: str
    md5: str


@dataclass
class Content:
    """A file's content, read by its descriptor.

    Attributes:
        descriptor: An open descriptor for reading; closed by `close`.
        size: Octets.
        name: What the file was called, for people and for telling its type.
        kind: The type told from the content; see `phage.scan.kinds`.
    """

    descriptor: int
    size: int
    name: str = ""
    kind: str = ""
    _map: mmap.mmap | None = field(default=None, init=False, repr=False)

    @classmethod
    def of_file(cls, path: Path, *, follow: bool = True) -> Self:
        """Open a file; `follow` a link, unless others may put one where a file was.

        Raises OSError, also for what is no regular file.
        """
        links = 0 if follow else os.O_NOFOLLOW
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | links)
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                what = "is no regular file"
                raise OSError(errno.EINVAL, what, str(path))  # noqa: TRY301  Closed below.
            if os.geteuid() == 0 and not about.st_mode & stat.S_IROTH:
                # Programs in the sandbox could not open it again, as another account.
                content = cls.of_chunks(_read(descriptor), path.name, Path(tempfile.gettempdir()))
                os.close(descriptor)
                return content
            return cls._told(descriptor, about.st_size, path.name)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def of_bytes(cls, data: bytes, name: str = "") -> Self:
        """Keep octets in memory, sealed: who gets the descriptor cannot change them."""
        return cls.of_chunks((data,), name)

    @classmethod
    def of_chunks(cls, chunks: Iterable[bytes], name: str = "", folder: Path | None = None) -> Self:
        """Keep octets in memory, or in an unlinked file of a folder when they are many."""
        with Intake(folder) as intake:
            for chunk in chunks:
                intake.write(chunk)
            return cls.of_intake(intake, name)

    @classmethod
    def of_intake(cls, intake: Intake, name: str = "") -> Self:
        """Keep what an intake has got; it is empty then."""
        descriptor, size = intake.take()
        try:
            return cls._told(descriptor, size, name)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def _told(cls, descriptor: int, size: int, name: str) -> Self:
        content = cls(descriptor, size, name)
        content.kind = kind_of(content.read_at, size, name)
        return content

    def read_at(self, offset: int, count: int) -> bytes:
        """Return octets at an offset; fewer at the end."""
        return os.pread(self.descriptor, count, offset)

    @cached_property
    def head(self) -> bytes:
        """The first octets."""
        return self.read_at(0, HEAD)

    @property
    def data(self) -> bytes | mmap.mmap:
        """All octets, mapped: what is not read takes no memory."""
        if self.size == 0:
            return b""
        if self._map is None:
            self._map = mmap.mmap(self.descriptor, self.size, prot=mmap.PROT_READ)
        return self._map

    @property
    def path(self) -> str:
        """A name by which other programs that inherit the descriptor can open the content."""
        return f"/proc/self/fd/{self.descriptor}"

    @contextmanager
    def as_file(self) -> Iterator[str]:
        """Give the content a name in the temporary folder, for programs that need one."""
        with tempfile.NamedTemporaryFile(prefix="sample-") as file:
            for chunk in self.chunks():
                file.write(chunk)
            file.flush()
            yield file.name

    def chunks(self) -> Iterable[bytes]:
        """Yield the octets, some at a time."""
        yield from _read(self.descriptor)

    @cached_property
    def hashes(self) -> Hashes:
        """SHA-256, SHA-1 and MD5; the latter two name a file in lists and are no proof."""
        digests = [hashlib.new(name, usedforsecurity=False) for name in ("sha256", "sha1", "md5")]
        for chunk in self.chunks():
            for digest in digests:
                digest.update(chunk)
        return Hashes(*(digest.hexdigest() for digest in digests))

    def close(self) -> None:
        """Close the descriptor."""
        if self._map is not None:
            self._map.close()
            self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Intake:
    """Takes octets in as they come: in memory, and in an unlinked file of a folder beyond that.

    Raises OSError where the folder's file system is full.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.size = 0
        self._folder = folder
        self._descriptor = os.memfd_create("sample", _MEMORY_FLAGS)
        self._sealable = True

    def write(self, data: bytes) -> None:
        """Take octets."""
        if self._sealable and self._folder is not None and self.size + len(data) > IN_MEMORY:
            self._descriptor, self._sealable = _moved(self._descriptor, self._folder), False
        _write_all(self._descriptor, data)
        self.size += len(data)

    def take(self) -> tuple[int, int]:
        """Return the descriptor, which is the caller's from now on, and how many octets it has."""
        if self._sealable:
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _SEALS)
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor, self.size

    def close(self) -> None:
        """Let go of what was not taken."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_MEMORY_FLAGS = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING


def _read(descriptor: int) -> Iterator[bytes]:
    offset = 0
    while chunk := os.pread(descriptor, CHUNK, offset):
        yield chunk
        offset += len(chunk)


def _moved(memory: int, folder: Path) -> int:
    """Move what is in memory to an unlinked file; return its descriptor.

    Programs in the sandbox open it again by its descriptor, as another account: it has to be
    readable, and has no name by which anybody else could find it.
    """
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o444)
    for chunk in _read(memory):
        _write_all(descriptor, chunk)
    os.close(memory)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
