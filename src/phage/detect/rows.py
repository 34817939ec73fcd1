"""The rows of a window as detectors see them: columns, and tuples of the rows they choose.

A window is read once for all detectors: `rows_of` remembers the last one. Which rows matter is told
by columns as a whole. NumPy's structured arrays cost microseconds per field of a single row, so
the rows that are looked at one by one are unpacked with `struct`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from phage.records import Columns, Window
from phage.records.columns import HostMark

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

Bools = npt.NDArray[np.bool_]

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


def among(values: Columns, known: Columns) -> tuple[Bools, Columns]:
    """Tell which values are among sorted known ones, and where these stand.

    `np.isin` and `np.unique` load NumPy's masked arrays, 1.3 MB, and take longer for few values.
    """
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return known[place] == values, place


class Rows:
    """The rows of one window: columns to choose by, and named tuples of what was chosen.

    A detector tells by a mask over the columns which rows can matter to it, and has tuples of these
    alone: most rows of a window are flows that only go on.

    Attributes:
        flow_columns: Rows of flows in the order in which they began.
        host_columns: Rows of hosts, in no order; their tuples are sorted.
        routers: MAC addresses of the hosts that pass on what others send.
        dropped: How many rows of flows and hosts were left out.
        complete: Tells that every flow that moved in the window is there: only then does a missing
            answer mean that there was none.
    """

    __slots__ = (
        "_flows",
        "_hosts",
        "_score_columns",
        "_scores",
        "complete",
        "dropped",
        "flow_columns",
        "host_columns",
        "routers",
    )

    def __init__(self, window: Window) -> None:
        self.flow_columns = flows = _flow_columns(window.flows)
        self.host_columns = hosts = _host_columns(window.hosts)
        self._score_columns = window.scores
        left_out = len(window.flows) - len(flows)
        routers = hosts["mac"][(hosts["marks"] & HostMark.ROUTER) != 0]
        self.routers = frozenset(routers.tolist()) - {0}
        self.dropped = left_out + len(window.hosts) - len(hosts)
        self.complete = not left_out and len(flows) < MOST_FLOWS
        self._flows: tuple[Flow, ...] | None = None
        self._hosts: tuple[Host, ...] | None = None
        self._scores: tuple[Score, ...] | None = None

    @property
    def flows(self) -> tuple[Flow, ...]:
        """All rows of flows, made once."""
        if self._flows is None:
            self._flows = tuple(_flows_of(self.flow_columns))
        return self._flows

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All rows of hosts, sorted, made once."""
        if self._hosts is None:
            self._hosts = tuple(_hosts_of(self.host_columns))
        return self._hosts

    @property
    def scores(self) -> tuple[Score, ...]:
        """All rows of scores, sorted, made once."""
        if self._scores is None:
            self._scores = tuple(_score_rows(self._score_columns))
        return self._scores

    def flows_in(self, numbers: Container[int]) -> Bools:
        """Tell which flows are among those with these numbers."""
        return np.array([each in numbers for each in self.flow_columns["id"].tolist()], bool)

    def flows_where(self, chosen: Bools) -> Iterator[Flow]:
        """Return the flows that a mask chooses, in the order in which they began."""
        return _flows_of(self.flow_columns[chosen])

    def hosts_where(self, chosen: Bools) -> list[Host]:
        """Return the hosts that a mask chooses, sorted."""
        return _hosts_of(self.host_columns[chosen])


def _flow_columns(columns: Columns) -> Columns:
    if len(columns) > MOST_FLOWS:
        columns = _choose_flows(columns)
    # Ascending numbers are ascending times of beginning.
    chosen: Columns = columns[np.argsort(columns["id"], kind="stable")]
    return chosen


def _flows_of(columns: Columns) -> Iterator[Flow]:
    return map(Flow._make, _FLOW.iter_unpack(columns.tobytes()))


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


def _host_columns(columns: Columns) -> Columns:
    if len(columns) <= MOST_HOSTS:
        return columns
    packets = columns["packets"].sum(axis=1)
    away = (columns["marks"] & HostMark.HOME) ^ HostMark.HOME
    words = np.ascontiguousarray(columns["address"]).view("<u8").reshape(-1, 2)
    order = np.lexsort((words[:, 0], words[:, 1], columns["mac"], -packets.astype("i8"), away))
    chosen: Columns = columns[order[:MOST_HOSTS]]
    return chosen


def _hosts_of(columns: Columns) -> list[Host]:
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


_EMPTY = Window(start=0, end=0)
# The last window and its rows, replaced as one: every detector reads the same window in turn.
_last: list[tuple[Window, Rows]] = [(_EMPTY, Rows(_EMPTY))]


def rows_of(window: Window) -> Rows:
    """Return the rows of a window, read at most once in a row."""
    known, rows = _last[0]
    if known is not window:
        rows = Rows(window)
        _last[0] = (window, rows)
    return rows
