"""The columns of a window: the layout of the rows that the core hands over.

The same structures stand in `crates/phage-flow/src/rows.rs`, `.../volume/rows.rs`,
`crates/phage-model/src/rows.rs` and `crates/phage-engine/src/matching.rs`, where every field is
explained; a test compares the sizes.
"""

from __future__ import annotations

import enum

import numpy as np

NO_DEVICE = 0xFFFF_FFFF
NO_FEATURE = 0xFFFF
EXPLAINED = 8
UNKNOWN_APPLICATION = 0xFF
"""Application of a flow whose beginning was looked at and is of no protocol that is decoded."""

FLOW = np.dtype(
    [
        ("id", "<u8"),
        ("start", "<i8"),
        ("last", "<i8"),
        ("src", "V16"),
        ("dst", "V16"),
        ("src_mac", "<u8"),
        ("dst_mac", "<u8"),
        ("packets", "<u8", (2,)),
        ("octets", "<u8", (2,)),
        ("payload", "<u8", (2,)),
        ("device", "<u4"),
        ("longest", "<u4"),
        ("handshake", "<u4"),
        ("vlan", "<u2"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("state", "u1"),
        ("flags", "u1", (2,)),
        ("end_reason", "u1"),
        ("event", "u1"),
        ("home", "u1"),
        ("application", "u1"),
        ("errors", "u1"),
    ],
    align=True,
)

HOST = np.dtype(
    [
        ("first", "<i8"),
        ("last", "<i8"),
        ("mac", "<u8"),
        ("address", "V16"),
        ("packets", "<u8", (2,)),
        ("octets", "<u8", (2,)),
        ("syn", "<u4", (2,)),
        ("syn_ack", "<u4", (2,)),
        ("rst", "<u4", (2,)),
        ("unanswered", "<u4", (2,)),
        ("udp", "<u4", (2,)),
        ("echo", "<u4", (2,)),
        ("unreachable", "<u4", (2,)),
        ("arp_request", "<u4", (2,)),
        ("arp_reply", "<u4", (2,)),
        ("flows", "<u4", (2,)),
        ("peers", "<f4", (2,)),
        ("ports", "<f4", (2,)),
        ("dns_queries", "<u4"),
        ("dns_failures", "<u4"),
        ("new_peers", "<u4"),
        ("device", "<u4"),
        ("marks", "<u4"),
        ("vlan", "<u4"),
    ],
    align=True,
)

SCORE = np.dtype(
    [
        ("packet", "<u8"),
        ("time", "<i8"),
        ("src", "V16"),
        ("dst", "V16"),
        ("src_mac", "<u8"),
        ("dst_mac", "<u8"),
        ("device_mac", "<u8"),
        ("device_address", "V16"),
        ("device", "<u4"),
        ("packets", "<u4"),
        ("surprising", "<u4"),
        ("length", "<u4"),
        ("surprise", "<f4"),
        ("total", "<f4"),
        ("network", "<f4"),
        ("own", "<f4"),
        ("values", "<f4", (EXPLAINED,)),
        ("low", "<f4", (EXPLAINED,)),
        ("high", "<f4", (EXPLAINED,)),
        ("weights", "<f4", (EXPLAINED,)),
        ("features", "<u2", (EXPLAINED,)),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("vlan", "<u2"),
        ("protocol", "u1"),
        ("mature", "u1"),
    ],
    align=True,
)


MATCH = np.dtype(
    [
        ("packet", "<u8"),
        ("time", "<i8"),
        ("flow", "<u8"),
        ("src", "V16"),
        ("dst", "V16"),
        ("src_mac", "<u8"),
        ("dst_mac", "<u8"),
        ("value", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("protocol", "u1"),
        ("end", "u1"),
        ("reverse", "u1"),
        ("reserved", "u1"),
        ("vlan", "<u2"),
        ("padding", "<u2"),
    ],
    align=True,
)

USE = np.dtype(
    [
        ("first", "<i8"),
        ("last", "<i8"),
        ("end", "<i8"),
        ("mac", "<u8"),
        ("peer_mac", "<u8"),
        ("address", "V16"),
        ("peer", "V16"),
        ("packets_sent", "<u8"),
        ("packets_received", "<u8"),
        ("sent", "<u8"),
        ("received", "<u8"),
        ("largest_sent", "<u8"),
        ("largest_received", "<u8"),
        ("begun", "<u4"),
        ("ended", "<u4"),
        ("failed", "<u4"),
        ("port", "<i4"),
        ("sizes", "<f4"),
        ("squares", "<f4"),
        ("lowest_port", "<u2"),
        ("highest_port", "<u2"),
        ("protocol", "u1"),
        ("way", "u1"),
        ("near", "u1"),
    ],
    align=True,
)
"""What one device did in a window by one service with one peer (`UseRow` of the core).

Each is one number, so that `tolist` makes rows of Python's own.
"""

REQUEST = np.dtype(
    [
        ("last", "<i8"),
        ("packets", "<u8"),
        ("octets", "<u8"),
        ("address", "V16"),
    ],
    align=True,
)
"""Requests of one source in a window: `RequestRow` in crates/phage-flow/src/requests.rs."""

EXPORT = np.dtype(
    [
        ("start", "<i8"),
        ("last", "<i8"),
        ("src", "V16"),
        ("dst", "V16"),
        ("packets", "<u8", (2,)),
        ("octets", "<u8", (2,)),
        ("in_interface", "<u4"),
        ("out_interface", "<u4"),
        ("src_as", "<u4"),
        ("dst_as", "<u4"),
        ("sampling", "<u4"),
        ("sampler", "<u4"),
        ("exporter", "<u4"),
        ("domain", "<u4"),
        ("present", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("vlan", "<u2"),
        ("template", "<u2"),
        ("flags", "u1", (2,)),
        ("protocol", "u1"),
        ("ip_version", "u1"),
        ("tos", "u1"),
        ("src_mask", "u1"),
        ("dst_mask", "u1"),
        ("direction", "u1"),
        ("forwarding", "u1"),
        ("version", "u1"),
    ],
    align=True,
)
"""Records of flow exporters: `FlowRecord` in crates/phage-decode/src/export/record.rs."""

VOLUME = np.dtype(
    [
        ("time", "<i8"),
        ("address", "V16"),
        ("octets", "<u8", (2,)),
        ("packets", "<u4", (2, 10)),
        ("grouped", "<u4", (2, 5)),
        ("flows", "<u4", (2,)),
        ("samples", "<u4", (2,)),
        ("sources", "<f4"),
        ("hosts", "<u4"),
        ("unasked", "<u4"),
        ("unasked_samples", "<u2"),
        ("length", "u1"),
    ],
    align=True,
)
"""What one host or prefix received (0) and sent (1) in half a second."""

TRAFFIC = np.dtype(
    [
        ("time", "<i8"),
        ("packets", "<u8"),
        ("octets", "<u8"),
        ("src", "V16"),
        ("dst", "V16"),
        ("src_as", "<u4"),
        ("dst_as", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("length", "<u2"),
        ("protocol", "u1"),
        ("flags", "u1"),
        ("class", "u1"),
        ("home", "u1"),
        ("chosen", "u1"),
    ],
    align=True,
)
"""Some of the traffic of half a second, chosen in proportion to packets."""

ROW_SIZES = (FLOW.itemsize, HOST.itemsize, SCORE.itemsize, MATCH.itemsize, USE.itemsize)


class TrafficClass(enum.IntEnum):
    """The classes of packets that volumes are counted by (`volume/class.rs`)."""

    TCP = 0
    """Segments that are none of the following."""
    SYN = 1
    SYN_ACK = 2
    RESET = 3
    UDP = 4
    REPLY = 5
    """UDP from the port of a service that reflects and amplifies."""
    QUERY = 6
    """UDP to the port of such a service."""
    ICMP = 7
    FRAGMENT = 8
    """Fragments without a transport header."""
    OTHER = 9


class Event:
    """Bits of a flow row's event."""

    STARTED = 1
    UPDATED = 2
    ENDED = 4


class EndReason:
    """Why a flow ended (RFC 5102, section 5.11.3); names for reports."""

    NAMES = (
        "none",
        "idle timeout",
        "active timeout",
        "end of flow",
        "forced end",
        "lack of resources",
    )


class TcpState:
    """How far a TCP connection came; NAMES for reports."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2
    ESTABLISHED = 3
    CLOSING = 4
    CLOSED = 5
    REFUSED = 6
    RESET = 7
    NAMES = (
        "none",
        "syn_sent",
        "syn_received",
        "established",
        "closing",
        "closed",
        "refused",
        "reset",
    )


class HostMark:
    """Bits of a host row's marks."""

    HOME = 1
    ROUTER = 2
    NEW = 4
    DEVICE = 8
