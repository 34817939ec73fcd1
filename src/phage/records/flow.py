"""A flow: one row of a window's flows as a record, for the store and the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.address import format_address, format_mac
from phage.records.columns import EndReason, Event, TcpState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.window import Columns

APPLICATIONS = (
    "", "arp", "dns", "mdns", "llmnr", "nbns", "dhcp", "dhcpv6", "ra", "nd", "ssdp", "tls", "quic",
    "http", "ssh", "ftp", "telnet", "smtp", "rdp", "smb", "mqtt", "modbus",
    "wsd", "mld", "lldp",
)  # fmt: skip
"""Application protocols by their number in the core (`phage_decode::app::Kind`)."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF


@frozen
class Flow:
    """One bidirectional flow as it stood at the end of a window.

    `[0]` is the direction of the initiator.

    `id` fits in 53 bits, the integers that every JSON reader keeps exact, and is the same whenever
    the same packets are read. Times are nanoseconds since the Unix epoch, `handshake` is in
    microseconds (0 where unknown). For ICMP the ports are type and code.
    """

    id: int
    start: int
    last: int
    src: str
    dst: str
    src_port: int
    dst_port: int
    protocol: int
    src_mac: str = ""
    dst_mac: str = ""
    vlan: int = 0
    packets: tuple[int, int] = (0, 0)
    octets: tuple[int, int] = (0, 0)
    payload: tuple[int, int] = (0, 0)
    flags: tuple[int, int] = (0, 0)
    handshake: int = 0
    state: str = "none"
    end_reason: str = "none"
    application: str = ""
    started: bool = False
    ended: bool = False


def flow_number(start: int, number: int) -> int:
    """Mix a flow's start and its number in the core to 53 bits (the finaliser of SplitMix64)."""
    value = (start ^ number * 0x9E37_79B9_7F4A_7C15) & _MASK
    value = ((value ^ value >> 30) * 0xBF58_476D_1CE4_E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D0_49BB_1331_11EB) & _MASK
    return (value ^ value >> 31) >> 11


def read_flows(rows: Columns, applications: Sequence[str] = APPLICATIONS) -> list[Flow]:
    """Return the rows of a window's flows as records.

    Args:
        rows: A structured array of dtype `columns.FLOW`.
        applications: Names of application protocols by their number in the core.
    """
    column = {name: rows[name].tolist() for name in _COLUMNS}
    return [
        Flow(
            id=flow_number(column["start"][index], number),
            start=column["start"][index],
            last=column["last"][index],
            src=format_address(column["src"][index]),
            dst=format_address(column["dst"][index]),
            src_port=column["src_port"][index],
            dst_port=column["dst_port"][index],
            protocol=column["protocol"][index],
            src_mac=format_mac(column["src_mac"][index]),
            dst_mac=format_mac(column["dst_mac"][index]),
            vlan=column["vlan"][index],
            packets=_pair(column["packets"][index]),
            octets=_pair(column["octets"][index]),
            payload=_pair(column["payload"][index]),
            flags=_pair(column["flags"][index]),
            handshake=column["handshake"][index],
            state=_name(TcpState.NAMES, column["state"][index]),
            end_reason=_name(EndReason.NAMES, column["end_reason"][index]),
            application=_name(applications, column["application"][index]),
            started=bool(column["event"][index] & Event.STARTED),
            ended=bool(column["event"][index] & Event.ENDED),
        )
        for index, number in enumerate(column["id"])
    ]


_COLUMNS = (
    "id", "start", "last", "src", "dst", "src_port", "dst_port", "protocol", "src_mac", "dst_mac",
    "vlan", "packets", "octets", "payload", "flags", "handshake", "state", "end_reason",
    "application", "event",
)  # fmt: skip


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return values[0], values[1]


def _name(names: Sequence[str], index: int) -> str:
    return names[index] if index < len(names) else ""
