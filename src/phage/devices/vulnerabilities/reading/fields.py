"""Fields of published records: of the type that is expected, or a fault that names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID = re.compile(r"CVE-\d{4}-\d{4,19}")

MAX_TEXT = 4000
"""Characters of a description; NVD's longest are about as long."""

MAX_LIST = 100_000
"""Members of a list that are looked at; the Linux kernel's longest records have some thousand."""


class RecordError(PhageError):
    """A record is damaged; says which field and what is wrong."""


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return an object. Raises RecordError."""
    if not isinstance(value, dict):
        message = f"{where}: is no object"
        raise RecordError(message)
    return value


def members(value: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Return a list that a field holds; [] where it is missing. Raises RecordError."""
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > MAX_LIST:
        message = f"{where}.{name}: is no list, or too long"
        raise RecordError(message)
    return found


def text(value: Mapping[str, Any], name: str, where: str, most: int = 256) -> str:
    """Return a text, bounded; '' where it is missing. Raises RecordError."""
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        message = f"{where}.{name}: is no text"
        raise RecordError(message)
    return found[:most]


def boolean(value: Mapping[str, Any], name: str, where: str, *, default: bool) -> bool:
    """Return a truth value. Raises RecordError."""
    found = value.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        message = f"{where}.{name}: is neither true nor false"
        raise RecordError(message)
    return found


def number(value: Mapping[str, Any], name: str, where: str, high: float) -> float | None:
    """Return a number from 0 to `high`; None where it is missing. Raises RecordError."""
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= high:
        message = f"{where}.{name}: is no number from 0 to {high:g}"
        raise RecordError(message)
    return float(found)


def cve_id(value: object, where: str) -> str:
    """Return the name of a vulnerability. Raises RecordError."""
    if not isinstance(value, str) or _ID.fullmatch(value.upper()) is None:
        message = f"{where}: {str(value)[:40]!r} is no CVE id"
        raise RecordError(message)
    return value.upper()


def prose(value: str) -> str:
    """Return text for people: bounded, on one line, control characters escaped."""
    return escape(" ".join(value[: 2 * MAX_TEXT].split()))[:MAX_TEXT]


def english(descriptions: list[Any], where: str) -> str:
    """Return the English one of descriptions in several languages."""
    for each in descriptions:
        entry = mapping(each, where)
        if text(entry, "lang", where).lower().startswith("en"):
            return prose(text(entry, "value", where, 2 * MAX_TEXT))
    return ""
