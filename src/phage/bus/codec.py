"""Records as octets: what goes over a bus between machines.

A record is a line of JSON, in which arrays stand as numbers, and the octets of these arrays behind
it. Only the types below are made of what is read; nothing is called by a name that was sent, so a
forged message can make a wrong record and nothing else.
"""

from __future__ import annotations

import enum
import importlib
import json
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.errors import PhageError
from phage.records import columns

if TYPE_CHECKING:
    from phage.records import Columns

_MAGIC = b"pb1"

_TYPES = {
    "phage.records.advice": ("Advice",),
    "phage.records.decision": (
        "Action", "Decision", "Direction", "Pattern", "Rate", "Receipt", "ReceiptState", "Target",
        "TargetKind",
    ),
    "phage.records.finding": (
        "Feature", "Finding", "FindingState", "Peer", "Severity", "Subject",
    ),
    "phage.records.logevent": ("LogEvent", "LogKind"),
    "phage.records.observation": ("Observation",),
    "phage.records.window": ("Window",),
}  # fmt: skip
"""Types that records are made of, by module."""

_COLUMNS = {
    name: getattr(columns, name)
    for name in ("FLOW", "HOST", "SCORE", "MATCH", "VOLUME", "TRAFFIC", "REQUEST", "USE")
}

LARGEST = 64 << 20
"""Octets of a message; a window at its bounds has some ten million."""


class MessageError(PhageError):
    """Octets are no record, or a record of another version."""


@cache
def _types() -> dict[str, type]:
    found: dict[str, type] = {}
    for module, names in _TYPES.items():
        loaded = importlib.import_module(module)
        for name in names:
            found[name] = getattr(loaded, name)
    return found


def encode(record: object) -> bytes:
    """Return a record as octets. Raises TypeError for what no record holds."""
    blobs: list[bytes] = []
    text = json.dumps(_plain(record, blobs), separators=(",", ":")).encode()
    head = _MAGIC + struct.pack("<I", len(text))
    return head + text + b"".join(struct.pack("<I", len(blob)) + blob for blob in blobs)


def decode(octets: bytes) -> object:
    """Return the record. Raises MessageError."""
    if octets[:3] != _MAGIC or len(octets) > LARGEST:
        message = "a message on the bus is no record, or too large"
        raise MessageError(message)
    try:
        (length,) = struct.unpack_from("<I", octets, 3)
        text = octets[7 : 7 + length]
        blobs, at = [], 7 + length
        while at < len(octets):
            (size,) = struct.unpack_from("<I", octets, at)
            blobs.append(octets[at + 4 : at + 4 + size])
            at += 4 + size
        return _record(json.loads(text), blobs)
    except (
        ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError,
        struct.error, RecursionError,
    ) as error:  # fmt: skip
        message = f"a message on the bus cannot be read: {error}"
        raise MessageError(message) from error


def _plain(value: Any, blobs: list[bytes]) -> Any:  # noqa: ANN401  JSON.
    if value is None or (
        isinstance(value, bool | int | float) and not isinstance(value, enum.Enum)
    ):
        return value
    if type(value) is str:
        return value
    if isinstance(value, enum.Enum):
        return {"e": _named(value), "v": value.value}
    if is_dataclass(value) and not isinstance(value, type):
        inner = {each.name: _plain(getattr(value, each.name), blobs) for each in fields(value)}
        return {"t": _named(value), "v": inner}
    if isinstance(value, np.ndarray | bytes):
        return _blob(value, blobs)
    return _collection(value, blobs)


def _named(value: object) -> str:
    name = type(value).__name__
    if _types().get(name) is not type(value):
        message = f"{name} does not go over a bus"
        raise TypeError(message)
    return name


def _blob(value: Columns | bytes, blobs: list[bytes]) -> dict[str, object]:
    if isinstance(value, bytes):
        blobs.append(value)
        return {"b": len(blobs) - 1}
    for name, kind in _COLUMNS.items():
        if value.dtype == kind:
            blobs.append(value.tobytes())
            return {"c": name, "v": len(blobs) - 1}
    message = f"an array of {value.dtype} does not go over a bus"
    raise TypeError(message)


def _collection(value: Any, blobs: list[bytes]) -> Any:  # noqa: ANN401  JSON.
    if isinstance(value, tuple):
        return {"u": [_plain(each, blobs) for each in value]}
    if isinstance(value, list):
        return [_plain(each, blobs) for each in value]
    if isinstance(value, Mapping):
        return {"m": [[_plain(key, blobs), _plain(each, blobs)] for key, each in value.items()]}
    message = f"{type(value).__name__} does not go over a bus"
    raise TypeError(message)


def _record(value: Any, blobs: list[bytes]) -> Any:  # noqa: ANN401, PLR0911  JSON; one a kind.
    if isinstance(value, list):
        return [_record(each, blobs) for each in value]
    if not isinstance(value, dict):
        return value
    if "t" in value:
        kind = _types()[value["t"]]
        if not is_dataclass(kind):
            message = f"{value['t']} is no record"
            raise ValueError(message)
        return kind(**{name: _record(each, blobs) for name, each in value["v"].items()})
    if "e" in value:
        kind = _types()[value["e"]]
        if not issubclass(kind, enum.Enum):
            message = f"{value['e']} is no kind"
            raise ValueError(message)
        return kind(value["v"])
    if "c" in value:
        return np.frombuffer(blobs[value["v"]], dtype=_COLUMNS[value["c"]])
    if "b" in value:
        return blobs[value["b"]]
    if "u" in value:
        return tuple(_record(each, blobs) for each in value["u"])
    return {_record(key, blobs): _record(each, blobs) for key, each in value["m"]}
