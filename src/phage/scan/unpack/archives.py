"""Archives and compressed files: libarchive first, 7-Zip for what it cannot open.

libarchive streams and needs no other process. 7-Zip (7zz, LGPL, a program of its own) opens what
libarchive does not: encrypted 7z and rar, newer methods of zip, arj, chm, wim, dmg.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from typing import TYPE_CHECKING

from phage.scan.unpack import sevenzip
from phage.scan.unpack.items import ENCRYPTED, Entry, Fault, Item
from phage.scan.unpack.libarchive import Archive, ArchiveError, Header, library

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterator

    from phage.scan.content import Content

COMPRESSED = frozenset({"gzip", "bzip2", "xz", "zstd", "lz4", "compress", "lzip"})
"""Kinds that hold one file, or a tar or cpio."""

SEVENZIP_ONLY = frozenset({"arj", "chm", "wim", "dmg", "squashfs", "szdd", "iscab", "tnef"})
"""Kinds that libarchive does not know."""


@functools.cache
def _loaded() -> ctypes.CDLL | None:
    try:
        return library()
    except OSError:
        return None


def prepare() -> None:
    """Load the library and look for the program."""
    _loaded()
    sevenzip.program()


def available() -> str:
    """Return why archives cannot be opened; '' when they can."""
    missing = []
    if _loaded() is None:
        missing.append("the library libarchive (apt install libarchive13)")
    if shutil.which("7zz") is None and shutil.which("7z") is None:
        missing.append("the program 7zz (apt install 7zip)")
    return f"lacks {' and '.join(missing)}" if missing else ""


def open_archive(content: Content, passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield the members of an archive."""
    loaded = _loaded()
    done: set[str] = set()
    faults: list[Fault] = []
    if loaded is not None and content.kind not in SEVENZIP_ONLY:
        for item in _by_libarchive(loaded, content, passwords):
            if isinstance(item, Fault):
                faults.append(item)
                continue
            if isinstance(item, Entry):
                done.add(item.name)
            yield item
        if not faults and done:
            return
    if not sevenzip.program():
        yield from faults or [Fault("", "needs the program 7zz, which is not installed")]
        return
    failed = {fault.name for fault in faults}
    yield from _by_sevenzip(content, passwords, done - failed, faults)


def _by_sevenzip(
    content: Content, passwords: tuple[str, ...], done: set[str], before: list[Fault]
) -> Iterator[Item]:
    """Yield what is still missing; the faults from before where 7-Zip knows no better."""
    faults: list[Fault] = []
    found = False
    for item in sevenzip.open_archive(content, passwords, done):
        if isinstance(item, Fault):
            faults.append(item)
        else:
            found = True
            yield item
    if found or not before:
        yield from faults
    elif faults or before:
        # What both say of the same; the more telling is that a password is missing.
        yield from _telling(before, faults)


def _telling(before: list[Fault], faults: list[Fault]) -> list[Fault]:
    return faults if any(each.text.startswith(ENCRYPTED) for each in faults) else before


def _by_libarchive(
    loaded: ctypes.CDLL, content: Content, passwords: tuple[str, ...]
) -> Iterator[Item]:
    try:
        archive, raw = _opened(loaded, content, passwords)
    except ArchiveError as error:
        yield Fault("", str(error))
        return
    try:
        headers = archive.headers()
        first = _first(headers)
        if first is None and content.kind in COMPRESSED:
            archive.close()
            archive, raw = Archive(loaded, _rewound(content), (), raw=True), True
            headers = archive.headers()
            first = _first(headers)
        if first is not None:
            yield from _members(archive, first, headers, content, raw=raw)
    except ArchiveError as error:
        yield Fault("", f"{ENCRYPTED}: {error}" if error.encrypted else str(error))
    finally:
        archive.close()


def _opened(
    loaded: ctypes.CDLL, content: Content, passwords: tuple[str, ...]
) -> tuple[Archive, bool]:
    """Return an archive, and whether it is a compressed file that is none."""
    try:
        return Archive(loaded, _rewound(content), passwords, raw=False), False
    except ArchiveError:
        if content.kind not in COMPRESSED:
            raise
        return Archive(loaded, _rewound(content), (), raw=True), True


def _rewound(content: Content) -> int:
    import os  # noqa: PLC0415  Only where it is needed.

    os.lseek(content.descriptor, 0, os.SEEK_SET)
    return content.descriptor


def _first(headers: Iterator[Header]) -> Header | None:
    with contextlib.suppress(ArchiveError):
        return next(headers, None)
    return None


def _members(
    archive: Archive, first: Header, headers: Iterator[Header], content: Content, *, raw: bool
) -> Iterator[Item]:
    header: Header | None = first
    while header is not None:
        if raw or not header.is_empty:
            name = _inner_name(content.name) if raw else header.name
            yield Entry(name, header.encrypted)
            try:
                yield from archive.data()
            except ArchiveError as error:
                # Octets of a wrong password look like damage.
                locked = error.encrypted or header.encrypted
                yield Fault(name, f"{ENCRYPTED}: {error}" if locked else str(error))
        header = next(headers, None)


def _inner_name(name: str) -> str:
    """Return what a compressed file's content is called: a.txt of a.txt.gz."""
    stem, dot, _suffix = name.rpartition(".")
    return stem if dot and stem else "content"
