"""The rows of a window as Python sees them: named tuples, sorted, bounded in number.

A window is read once for all detectors: `rows_of` remembers the last one. NumPy's structured arrays
cost microseconds per field of a single row, so rows are unpacked with `struct`; NumPy is used only
to choose which rows to keep when there are many.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from phage.records import Columns, Window
from phage.records.columns import HostMark

# Rows of flows that detectors look at in one window. Four detectors at about 4 microseconds a row
# stay within 20 ms of a window's 250 ms; no home reaches it but in a flood.
MOST_FLOWS = 1024
# Of one source, so many rows are kept before any other source's; enough to tell a scan by.
ROWS_A_SOURCE = 64
# Hosts that detectors look at, the busiest first.
MOST_HOSTS = 1024
MOST_SCORES = 1024

_FLOW = struct.Struct("<Qqq16s16sQQQQQQQQIIIHHHBBBBBBBBBB4x")
_HOST = struct.Struct("<qqQ16sQQQQ20I4f6I")
_SCORE = struct.Struct("<Qq16s16sQQQ16sIIII4f32f8HHHHBB")


class Flow(NamedTuple):
    """One flow row: the fields of `records.columns.FLOW`, pairs spelled out."""

    id: int
    start: int
    last: int
    src: bytes
    dst: bytes
    src_mac: int
    dst_mac: int
    sent: int
    received: int
    octets_sent: int
    octets_received: int
    payload_sent: int
    payload_received: int
    device: int
    longest: int
    handshake: int
    vlan: int
    src_port: int
    dst_port: int
    protocol: int
    ip_version: int
    state: int
    flags_sent: int
    flags_received: int
    end_reason: int
    event: int
    home: int
    application: int
    errors: int


class Host(NamedTuple):
    """One host row: the fields of `records.columns.HOST`, pairs spelled out."""

    first: int
    last: int
    mac: int
    address: bytes
    sent: int
    received: int
    octets_sent: int
    octets_received: int
    syn_sent: int
    syn_received: int
    syn_ack_sent: int
    syn_ack_received: int
    rst_sent: int
    rst_received: int
    unanswered_sent: int
    unanswered_received: int
    udp_sent: int
    udp_received: int
    echo_sent: int
    echo_received: int
    unreachable_sent: int
    unreachable_received: int
    arp_request_sent: int
    arp_request_received: int
    arp_reply_sent: int
    arp_reply_received: int
    flows_sent: int
    flows_received: int
    peers_contacted: float
    peers_contacting: float
    ports_contacted: float
    ports_own: float
    dns_queries: int
    dns_failures: int
    new_peers: int
    device: int
    marks: int
    vlan: int


class Score(NamedTuple):
    """One score row; the fields are those of `records.columns.SCORE`."""

    packet: int
    time: int
    src: bytes
    dst: bytes
    src_mac: int
    dst_mac: int
    device_mac: int
    device_address: bytes
    device: int
    packets: int
    surprising: int
    length: int
    surprise: float
    total: float
    network: float
    own: float
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    weights: tuple[float, ...]
    features: tuple[int, ...]
    src_port: int
    dst_port: int
    vlan: int
    protocol: int
    mature: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one window, sorted; `dropped` counts the flow and host rows that were left out.

    `complete` tells that every flow that moved in the window is there: only then does a missing
    answer mean that there was none.
    """

    flows: tuple[Flow, ...]
    hosts: tuple[Host, ...]
    scores: tuple[Score, ...]
    routers: frozenset[int]
    dropped: int
    complete: bool


def _flow_rows(columns: Columns) -> list[Flow]:
    if len(columns) > MOST_FLOWS:
        columns = _choose_flows(columns)
    # Ascending numbers are ascending times of beginning.
    columns = columns[np.argsort(columns["id"], kind="stable")]
    return list(map(Flow._make, _FLOW.iter_unpack(columns.tobytes())))


def _choose_flows(columns: Columns) -> Columns:
    """Keep the first flows of each source, sources at home first, then what fits."""
    columns = columns[np.argsort(columns["id"], kind="stable")]
    words = np.ascontiguousarray(columns["src"]).view("<u8").reshape(-1, 2)
    source = words[:, 0] * np.uint64(0x9E37_79B9_7F4A_7C15) ^ words[:, 1]
    order = np.argsort(source, kind="stable")
    ordered = source[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(begins, len(order)))
    rank = np.arange(len(order)) - np.repeat(begins, sizes)
    # One number to sort by: first rows before late ones, home before away, busy sources before
    # others (a single flow says less than many of one source), then the order within the source.
    most = 0xFF_FFFF
    late = (rank >= ROWS_A_SOURCE).astype(np.uint64)
    away = ((columns["home"][order] & 1) ^ 1).astype(np.uint64)
    small = (most - np.minimum(np.repeat(sizes, sizes), most)).astype(np.uint64)
    key = (late << 63) | (away << 62) | (small << 24) | np.minimum(rank, most).astype(np.uint64)
    chosen = np.argsort(key, kind="stable")[:MOST_FLOWS]
    return columns[order[chosen]]


def _host_rows(columns: Columns) -> list[Host]:
    if len(columns) > MOST_HOSTS:
        packets = columns["packets"].sum(axis=1)
        away = (columns["marks"] & HostMark.HOME) ^ HostMark.HOME
        words = np.ascontiguousarray(columns["address"]).view("<u8").reshape(-1, 2)
        order = np.lexsort((words[:, 0], words[:, 1], columns["mac"], -packets.astype("i8"), away))
        columns = columns[order[:MOST_HOSTS]]
    return sorted(map(Host._make, _HOST.iter_unpack(columns.tobytes())), key=_host_order)


def _host_order(row: Host) -> tuple[object, ...]:
    return row[:28] + row[32:]


def _score_row(raw: tuple[object, ...]) -> Score:
    return Score._make(
        (*raw[:16], raw[16:24], raw[24:32], raw[32:40], raw[40:48], raw[48:56], *raw[56:])
    )


def _score_rows(columns: Columns) -> list[Score]:
    rows = sorted(_SCORE.iter_unpack(columns[:MOST_SCORES].tobytes()), key=_score_order)
    return [_score_row(row) for row in rows]


def _score_order(raw: tuple[object, ...]) -> tuple[object, ...]:
    return raw[:12]


def read_rows(window: Window) -> Rows:
    """Read the rows of a window."""
    hosts = _host_rows(window.hosts) if len(window.hosts) else []
    flows = _flow_rows(window.flows) if len(window.flows) else []
    left_out = len(window.flows) - len(flows)
    return Rows(
        flows=tuple(flows),
        hosts=tuple(hosts),
        scores=tuple(_score_rows(window.scores)) if len(window.scores) else (),
        routers=frozenset(row.mac for row in hosts if row.marks & HostMark.ROUTER and row.mac),
        dropped=left_out + len(window.hosts) - len(hosts),
        complete=not left_out and len(flows) < MOST_FLOWS,
    )


_EMPTY = Window(start=0, end=0)
# The last window and its rows, replaced as one: every detector reads the same window in turn.
_last: list[tuple[Window, Rows]] = [(_EMPTY, read_rows(_EMPTY))]


def rows_of(window: Window) -> Rows:
    """Return the rows of a window, read at most once in a row."""
    known, rows = _last[0]
    if known is not window:
        rows = read_rows(window)
        _last[0] = (window, rows)
    return rows
