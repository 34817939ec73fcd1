"""Text from the network, made fit for a database."""

from __future__ import annotations

MAX_INTEGER = 2**63 - 1
"""Both engines store signed 64-bit integers; counters of the core are unsigned."""


def storable(text: str) -> str:
    """Replace what a database refuses: NUL (PostgreSQL) and lone surrogates (both)."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def storable_integer(value: int) -> int:
    """Cut an integer to what a database can hold."""
    return max(-MAX_INTEGER - 1, min(value, MAX_INTEGER))
