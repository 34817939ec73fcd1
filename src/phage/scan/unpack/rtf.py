"""Objects embedded in RTF (Rich Text Format 1.9.1), found by oletools' tolerant parser."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from phage.scan.unpack.items import Entry, Fault, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

MOST_OBJECTS = 500

_rtfobj: Any = None


def prepare() -> None:
    """Load the parser, if it is there."""
    global _rtfobj  # noqa: PLW0603  Loaded once, before the process is forked.
    try:
        _rtfobj = importlib.import_module("oletools.rtfobj")
    except ImportError:
        _rtfobj = None


def open_rtf(content: Content, _passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield the objects of a document."""
    if _rtfobj is None:
        yield Fault("", "needs the Python package oletools (pip install 'phage[scan]')")
        return
    parser = _rtfobj.RtfObjParser(bytes(content.data))
    parser.parse()
    for number, each in enumerate(parser.objects[:MOST_OBJECTS]):
        data = each.olepkgdata or each.oledata or each.rawdata
        if data:
            name = each.filename if each.is_package else each.class_name
            name = name.decode("latin-1") if isinstance(name, bytes) else name
            yield Entry(str(name or f"object-{number + 1}"))
            yield bytes(data)
    if len(parser.objects) > MOST_OBJECTS:
        yield Fault("", f"has {len(parser.objects)} objects; {MOST_OBJECTS} were opened")
