"""Files embedded in PDF (ISO 32000-1, 7.11.4): streams of type EmbeddedFile.

Not a parser of PDF: streams are found by their words, as damaged and hostile files want it. An
encrypted document is a fault.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from phage.scan.unpack.items import ENCRYPTED, Entry, Fault, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

MOST_FILES = 500
DICTIONARY = 4096
"""Octets before a stream in which its dictionary is looked for."""

INFLATED = 64 * 2**20
"""Octets that one stream may become."""

_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_EMBEDDED = re.compile(rb"/Type\s*/Embedded#?F?i?l?e?|/EmbeddedFile\b")
_FLATE = re.compile(rb"/FlateDecode\b|/Fl\b")
_OTHER_FILTER = re.compile(rb"/Filter\b")


def prepare() -> None:
    """Load nothing."""


def open_pdf(content: Content, _passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield the files that a document carries."""
    data = bytes(content.data)
    if not re.search(rb"/EmbeddedFile", data):
        return
    if re.search(rb"/Encrypt\s+\d+\s+\d+\s+R", data):
        yield Fault("", f"{ENCRYPTED}: files in encrypted PDF are not opened")
        return
    found = 0
    for match in _STREAM.finditer(data):
        start = data.rfind(b"obj", max(0, match.start() - DICTIONARY), match.start())
        dictionary = data[max(start, 0) : match.start()]
        if not _EMBEDDED.search(dictionary):
            continue
        found += 1
        if found > MOST_FILES:
            yield Fault("", f"carries more than {MOST_FILES} files")
            return
        end = data.find(b"endstream", match.end())
        yield from _file(found, dictionary, data[match.end() : end if end >= 0 else len(data)])


def _file(number: int, dictionary: bytes, body: bytes) -> Iterator[Item]:
    name = f"embedded-{number}"
    yield Entry(name)
    if _FLATE.search(dictionary):
        inflater = zlib.decompressobj()
        try:
            yield inflater.decompress(body, INFLATED)
        except zlib.error as error:
            yield Fault(name, f"is damaged: {error}")
            return
        if inflater.unconsumed_tail:
            yield Fault(name, f"is larger than {INFLATED} octets")
    elif _OTHER_FILTER.search(dictionary):
        yield Fault(name, "is packed in a way that is not known")
    else:
        yield body
