"""CPE names: parsing, canonical form, and comparison (NISTIR 7695, 7696).

A name is kept in one form, whatever it came in: lower case, each character but letters, digits,
`_`, `.` and `-` escaped. In that form equal values are equal strings, `*` is ANY and `-` is NA.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from phage.errors import PhageError

ANY, NA = "*", "-"

MAX_LENGTH = 1024
"""Characters of a name; the longest that are published have 200."""

_PREFIX = "cpe:2.3:"
_URI_PREFIX = "cpe:/"
_SPLIT = re.compile(r"(?<!\\)((?:\\\\)*):")
_PLAIN = re.compile(r"[a-z0-9_.-]+\Z")
_PIECE = re.compile(r"\\(.)|(.)", re.DOTALL)
_WILD = re.compile(r"(?<!\\)(?:\\\\)*[*?]")
_NEEDS_NO_ESCAPE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


class CpeError(PhageError):
    """A text is no CPE name; says why."""


class Cpe(NamedTuple):
    """A name in canonical form; `part` is a (application), o (operating system) or h (hardware)."""

    part: str
    vendor: str
    product: str
    version: str = ANY
    update: str = ANY
    edition: str = ANY
    language: str = ANY
    sw_edition: str = ANY
    target_sw: str = ANY
    target_hw: str = ANY
    other: str = ANY

    def __str__(self) -> str:
        return _PREFIX + ":".join(self)


class Relation(enum.IntEnum):
    """How the values of a source stand to those of a target (NISTIR 7696, section 6.1.1)."""

    DISJOINT = 0
    SUBSET = 1
    """The target may be what is meant, and more: something of it is not known."""
    EQUAL = 2
    SUPERSET = 3


def parse_cpe(text: str) -> Cpe:
    """Return the name that a formatted string (2.3) or URI (2.2) is. Raises CpeError."""
    if len(text) > MAX_LENGTH:
        message = f"a CPE name has {len(text)} characters, at most {MAX_LENGTH} are read"
        raise CpeError(message)
    return _parsed(text)


@lru_cache(maxsize=65_536)
def _parsed(text: str) -> Cpe:
    lowered = text.lower()
    if lowered.startswith(_PREFIX):
        fields = _fields(lowered[len(_PREFIX) :])
        if len(fields) != 11:
            message = f"{text[:120]!r} has {len(fields)} fields behind cpe:2.3, not 11"
            raise CpeError(message)
        values = [_canonical(field) for field in fields]
    elif lowered.startswith(_URI_PREFIX):
        values = _of_uri(lowered[len(_URI_PREFIX) :], text)
    else:
        message = f"{text[:120]!r} is no CPE name: it begins neither with cpe:2.3: nor with cpe:/"
        raise CpeError(message)
    if values[0] not in {"a", "o", "h", ANY}:
        message = f"{text[:120]!r}: the part is a, o or h"
        raise CpeError(message)
    return Cpe(*values)


def _fields(text: str) -> list[str]:
    if "\\" not in text:
        return text.split(":")
    pieces = _SPLIT.split(text)
    # Backslashes before a colon that are escaped themselves belong to the field before it.
    return [
        pieces[at] + (pieces[at + 1] if at + 1 < len(pieces) else "")
        for at in range(0, len(pieces), 2)
    ]


def _canonical(value: str) -> str:
    """Return a field in canonical form: escapes where they are needed, and only there."""
    if value in {ANY, NA, ""}:
        return value or ANY
    if _PLAIN.match(value):
        return value
    made = []
    for escaped, plain in _PIECE.findall(value):
        if escaped:
            made.append(escaped if escaped in _NEEDS_NO_ESCAPE else f"\\{escaped}")
        else:
            made.append(plain if plain in _NEEDS_NO_ESCAPE or plain in "*?" else f"\\{plain}")
    joined = "".join(made)
    return rf"\{joined}" if joined == NA else joined  # A literal hyphen is not NA.


def _of_uri(text: str, whole: str) -> list[str]:
    """Return the fields of a CPE 2.2 URI (NISTIR 7695, section 6.1)."""
    fields = text.split(":")
    if len(fields) > 7:
        message = f"{whole[:120]!r} has {len(fields)} fields behind cpe:/, at most 7 are known"
        raise CpeError(message)
    fields += [""] * (7 - len(fields))
    packed = [""] * 5
    if fields[5].startswith("~"):
        packed = (fields[5][1:].split("~") + [""] * 5)[:5]
    else:
        packed[0] = fields[5]
    order = [*fields[:5], packed[0], fields[6], *packed[1:]]
    return [_from_uri(value) for value in order]


def _from_uri(value: str) -> str:
    if value in {"", NA}:
        return value or ANY
    wild = value.replace("%02", "\x02").replace("%01", "\x01")
    return literal(unquote(wild)).replace("\\\x02", "*").replace("\\\x01", "?")


def literal(value: str) -> str:
    """Return a value as it was seen in canonical form: nothing in it is a wildcard."""
    lowered = re.sub(r"\s+", "_", value.strip().lower())
    if not lowered:
        return ANY
    made = "".join(char if char in _NEEDS_NO_ESCAPE else f"\\{char}" for char in lowered)
    return rf"\{made}" if made == NA else made


def plain(value: str) -> str:
    """Return a field without its escapes."""
    return value if "\\" not in value else re.sub(r"\\(.)", r"\1", value)


def compare_field(source: str, target: str) -> Relation:
    """Compare one field of a criterion with that of a name (NISTIR 7696, table 6-2)."""
    if source == target:
        return Relation.EQUAL
    if source == ANY:
        return Relation.SUPERSET
    if target == ANY:
        return Relation.SUBSET
    if NA in {source, target}:
        return Relation.DISJOINT
    if "*" in source or "?" in source:
        pattern = _pattern(source)
        if pattern is not None and pattern.fullmatch(plain(target)):
            return Relation.SUPERSET
    return Relation.DISJOINT


@lru_cache(maxsize=16_384)
def _pattern(value: str) -> re.Pattern[str] | None:
    """Return what a value with wildcards matches; None where all of its * and ? are escaped.

    `*` stands for any characters, `?` for one or none (NISTIR 7696, section 6.3).
    """
    if not _WILD.search(value):
        return None
    made = []
    for escaped, bare in _PIECE.findall(re.sub(r"\*+", "*", value)):
        if escaped:
            made.append(re.escape(escaped))
        else:
            made.append({"*": ".*", "?": ".?"}.get(bare) or re.escape(bare))
    return re.compile("".join(made), re.DOTALL)


def compare(source: Cpe, target: Cpe) -> Relation:
    """Return how a criterion stands to a name: the least of all fields."""
    worst = Relation.SUPERSET
    equal = True
    for mine, its in zip(source, target, strict=True):
        relation = compare_field(mine, its)
        if relation is Relation.DISJOINT:
            return relation
        equal = equal and relation is Relation.EQUAL
        if relation is Relation.SUBSET:
            worst = Relation.SUBSET
    return Relation.EQUAL if equal else worst
