"""Rows of uses, as the core makes them of flows that begin and end in one window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.records.columns import USE, TcpState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.window import Columns

Row = Any
"""A row of columns, as numpy has it: `numpy.void`."""

_TCP = 6


def uses_of(flows: Iterable[Row]) -> Columns:
    """Return a row for each end of flow rows that is at home, answered where it was asked."""
    rows = [_use(flow, end) for flow in flows for end in (0, 1) if _is_use(flow, end)]
    return np.array([row.tobytes() for row in rows], f"V{USE.itemsize}").view(USE)


def _is_use(flow: Row, end: int) -> bool:
    return bool(int(flow["home"]) >> end & 1) and (end == 0 or _is_answered(flow))


def _is_answered(flow: Row) -> bool:
    if flow["protocol"] != _TCP:
        return bool(flow["packets"][1])
    accepted = flow["state"] >= TcpState.ESTABLISHED and flow["state"] != TcpState.REFUSED
    return bool(accepted and flow["payload"].sum())


def _use(flow: Row, end: int) -> Columns:
    row = np.zeros(1, USE)[0]
    mine, other = ("src", "dst") if end == 0 else ("dst", "src")
    octets = flow["octets"] if end == 0 else flow["octets"][::-1]
    size = math.log2(int(octets.sum()) + 1)
    row["mac"], row["address"] = flow[f"{mine}_mac"], flow[mine]
    row["peer_mac"], row["peer"] = flow[f"{other}_mac"], flow[other]
    row["near"], row["way"] = int(flow["home"]) >> (1 - end) & 1, end
    row["protocol"], row["port"] = flow["protocol"], flow["dst_port"]
    row["first"] = row["last"] = flow["start"]
    row["end"] = flow["last"]
    row["begun"] = row["ended"] = 1
    row["failed"] = not _is_answered(flow)
    row["sent"], row["received"] = row["largest_sent"], row["largest_received"] = octets
    row["sizes"], row["squares"] = size, size * size
    row["lowest_port"] = row["highest_port"] = flow["dst_port"]
    found: Columns = row
    return found
