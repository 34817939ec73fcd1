"""Whether a window that came from another machine is one: who can send may send anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.records import LogEvent, Observation, Window
from phage.records.columns import FLOW, HOST, MATCH, REQUEST, SCORE, TRAFFIC, USE, VOLUME
from phage.records.distinct import distinct
from phage.records.logevent import LogKind

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_TIMES = 1024
"""Half-seconds of which one window may count: those of eight minutes. Each is looked at apart."""

_COLUMNS = {
    "flows": FLOW,
    "uses": USE,
    "hosts": HOST,
    "scores": SCORE,
    "matches": MATCH,
    "volumes": VOLUME,
    "traffic": TRAFFIC,
    "requests": REQUEST,
}
_WINDOW: Mapping[str, type] = {
    "start": int, "end": int, "packets": int, "octets": int, "learning": bool, "from_exports": bool,
}  # fmt: skip
_OBSERVATION: Mapping[str, type] = {
    "kind": str, "time": int, "packet": int, "src": str, "dst": str, "src_port": int,
    "dst_port": int, "src_mac": str, "dst_mac": str, "vlan": int, "protocol": int, "device": int,
    "flow": int,
}  # fmt: skip
_EVENT: Mapping[str, type] = {
    "kind": LogKind, "time": int, "source": str, "service": str, "address": str, "user": str,
    "path": str, "status": int, "message": str, "spoofable": bool,
}  # fmt: skip

_VALUES = (str, int, float, bool)


def is_sound(record: object) -> bool:
    """Tell whether a record is a window that holds what it should, of the types it should."""
    return (
        isinstance(record, Window)
        and _has(record, _WINDOW)
        and all(map(_is_count, (record.start, record.end, record.packets, record.octets)))
        and isinstance(record.counters, dict)
        and all(type(each) is str for each in record.counters)
        and all(map(_is_number, record.counters.values()))
        and all(_is_column(getattr(record, name), kind) for name, kind in _COLUMNS.items())
        and all(_is_short(rows) for rows in (record.volumes, record.traffic))
        and _are(record.observations, Observation, _OBSERVATION)
        and _are(record.events, LogEvent, _EVENT)
    )


def _has(record: object, kinds: Mapping[str, type]) -> bool:
    """Tell whether fields have their types, and numbers 64 bits."""
    values = [(getattr(record, name), kind) for name, kind in kinds.items()]
    return all(_is_number(value) if kind is int else type(value) is kind for value, kind in values)


def _is_number(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**64


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_column(rows: object, kind: np.dtype[np.void]) -> bool:
    return isinstance(rows, np.ndarray) and rows.dtype == kind and rows.ndim == 1


def _is_short(rows: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> bool:
    return len(distinct(rows["time"])) <= MOST_TIMES


def _are(records: object, kind: type, kinds: Mapping[str, type]) -> bool:
    return isinstance(records, tuple) and all(
        type(each) is kind and _has(each, kinds) and _are_values(getattr(each, "fields", None))
        for each in records
    )


def _are_values(fields: object) -> bool:
    return isinstance(fields, dict) and all(
        type(name) is str
        and (
            type(value) in _VALUES
            or (type(value) is tuple and all(type(each) is str for each in value))
        )
        for name, value in fields.items()
    )
