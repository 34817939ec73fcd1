"""Files with records: packed or not, of any size, read a piece at a time.

A file is JSON with the records in `vulnerabilities` (NVD, KEV), one JSON document or a list of
them, JSON lines, or the CSV of EPSS; as it is, or packed by gzip, xz or zip.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import lzma
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from phage.devices.vulnerabilities.reading.fields import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUFFIXES = (".json", ".ndjson", ".jsonl", ".csv", ".gz", ".xz", ".zip")
"""Files of a folder that are looked at."""

PIECE = 1 << 20
MAX_RECORD = 64 << 20
"""Characters of one record; the longest of the Linux kernel has some million."""

MAX_UNPACKED = 16 << 30
"""Octets that one file may unpack to; all that NVD ever published has about two gigabytes."""

_RECORDS = frozenset({"vulnerabilities", "CVE_Items", "cveItems"})
_SPACE = " \t\r\n\ufeff"


@dataclass
class Document:
    """One file, or one member of an archive.

    Attributes:
        path: The file.
        member: Name in a zip archive; ''.
        progress: Told how many octets of the file were read.
        header: What stands beside the records of a document: dates, counts.
        digest: Of the octets as they were read, once all are.
    """

    path: Path
    member: str = ""
    progress: Callable[[int], None] = lambda _octets: None
    header: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def size(self) -> int:
        """Octets, as it lies on the disk."""
        return self.path.stat().st_size

    def is_csv(self) -> bool:
        """Tell whether it is the CSV of EPSS. Raises RecordError."""
        with ExitStack() as stack:
            start = next(self._texts(stack), "").lstrip(_SPACE)
        return start.startswith("#") or start[:4].lower() == "cve,"

    def lines(self) -> Iterator[str]:
        """Yield the lines of a text. Raises RecordError."""
        with ExitStack() as stack:
            rest = ""
            for piece in self._texts(stack):
                *whole, rest = (rest + piece).split("\n")
                yield from whole
            if rest:
                yield rest

    def records(self) -> Iterator[Any]:
        """Yield the records of JSON in any of the forms. Raises RecordError."""
        self.header.clear()
        with ExitStack() as stack:
            yield from _Json(self._texts(stack)).records(self.header)

    def _texts(self, stack: ExitStack) -> Iterator[str]:
        """Yield the text, some at a time; errors of the file become RecordError."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        seen, digest = 0, hashlib.sha256()
        try:
            raw, unpacked = self._opened(stack)
            while piece := unpacked.read(PIECE):
                seen += len(piece)
                if seen > MAX_UNPACKED:
                    message = f"unpacks to more than {MAX_UNPACKED >> 30} GiB"
                    raise RecordError(message)
                digest.update(piece)
                self.progress(raw.tell())
                yield decoder.decode(piece)
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            message = f"is no UTF-8 near octet {seen}"
            raise RecordError(message) from error
        except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            message = f"is damaged or not whole: {error}"
            raise RecordError(message) from error
        except (OSError, RuntimeError, NotImplementedError) as error:
            message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise RecordError(message) from error
        self.digest = digest.hexdigest()

    def _opened(self, stack: ExitStack) -> tuple[BinaryIO, BinaryIO]:
        raw = stack.enter_context(self.path.open("rb"))
        if self.member:
            archive = stack.enter_context(zipfile.ZipFile(raw))
            return raw, cast("BinaryIO", stack.enter_context(archive.open(self.member)))
        start = raw.read(6)
        raw.seek(0)
        if start.startswith(b"\x1f\x8b"):
            return raw, cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=raw)))
        if start == b"\xfd7zXZ\0":
            return raw, cast("BinaryIO", stack.enter_context(lzma.LZMAFile(raw)))
        return raw, raw


def documents(path: Path, progress: Callable[[int], None]) -> Iterator[Document]:
    """Yield what a file holds: itself, or the members of an archive. Raises RecordError."""
    try:
        packed = path.suffix == ".zip" or zipfile.is_zipfile(path)
        if not packed:
            yield Document(path, "", progress)
            return
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(SUFFIXES))
    except (OSError, zipfile.BadZipFile) as error:
        message = f"is damaged or not whole: {error}"
        raise RecordError(message) from error
    for name in names:
        yield Document(path, name, progress)


class _Json:
    """Reads JSON from pieces of text; keeps no more of it than one record."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._decode = json.JSONDecoder().raw_decode
        self._buffer = ""
        self._at = 0
        self._ended = False

    def records(self, header: dict[str, Any]) -> Iterator[Any]:
        """Yield the records; what else a document holds goes to `header`."""
        found = False
        while self._next():
            found = True
            first = self._peek()
            if first == "[":
                yield from self._items()
            elif first == "{":
                yield from self._object(header)
            else:
                _fail(f"begins with {first!r}, which is no record")
        if not found:
            _fail("is empty")

    def _object(self, header: dict[str, Any]) -> Iterator[Any]:
        """Yield the records in an object, or the object itself where it is one."""
        self._take("{")
        fields: dict[str, Any] = {}
        streamed = False
        while self._wanted("}"):
            name = self._value()
            if not isinstance(name, str):
                _fail("the name of a field is no text")
            self._take(":")
            if name in _RECORDS and self._peek() == "[":
                streamed = True
                header.update(fields)
                yield from self._items()
            else:
                fields[name] = self._value()
            self._comma("}")
        self._take("}")
        if streamed:
            header.update(fields)
        else:
            yield fields

    def _items(self) -> Iterator[Any]:
        self._take("[")
        while self._wanted("]"):
            yield self._value()
            self._comma("]")
        self._take("]")

    def _value(self) -> Any:  # noqa: ANN401  Any JSON.
        """Return the next value; more text is fetched until it is whole."""
        self._next()
        wanted = PIECE
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    _fail(f"is damaged or not whole: {error.msg}")
            except RecursionError:
                _fail("is nested too deeply")
            else:
                if end < len(self._buffer) or self._ended:
                    self._at = end
                    return value
            if len(self._buffer) - self._at > MAX_RECORD:
                _fail(f"a record has more than {MAX_RECORD >> 20} million characters")
            self._fetch(wanted)
            wanted *= 2

    def _fetch(self, least: int) -> None:
        parts, size = [self._buffer[self._at :]], 0
        while size < least and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
                break
            parts.append(piece)
            size += len(piece)
        self._buffer, self._at = "".join(parts), 0

    def _next(self) -> bool:
        """Go to the next character that is no space; tell whether there is one."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _SPACE:
                    return True
                self._at += 1
            if self._ended:
                return False
            self._fetch(1)

    def _peek(self) -> str:
        return self._buffer[self._at] if self._next() else ""

    def _wanted(self, closing: str) -> bool:
        found = self._peek()
        if not found:
            _fail("ends in the middle: it is not whole")
        return found != closing

    def _comma(self, closing: str) -> None:
        if self._peek() == ",":
            self._at += 1
            if self._peek() == closing:
                _fail("a comma with nothing behind it")
        elif self._peek() != closing:
            _fail("ends in the middle, or a comma is missing")

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            _fail(f"{wanted} is missing: it is damaged or not whole")
        self._at += 1


def _fail(message: str) -> NoReturn:
    raise RecordError(message)
