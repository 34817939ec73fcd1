"""Names of attack vectors: what kind of flood, and by which service it is reflected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.records.columns import TrafficClass
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from phage.records import Columns

SERVICES = {
    17: "qotd",
    19: "chargen",
    53: "dns",
    69: "tftp",
    111: "portmap",
    123: "ntp",
    137: "netbios",
    161: "snmp",
    177: "xdmcp",
    389: "cldap",
    427: "slp",
    500: "ike",
    520: "rip",
    1194: "openvpn",
    1434: "mssql",
    1900: "ssdp",
    3283: "ard",
    3389: "rdp",
    3702: "wsd",
    5060: "sip",
    5093: "sentinel",
    5351: "nat-pmp",
    5353: "mdns",
    5683: "coap",
    10_001: "ubiquiti",
    11_211: "memcached",
    27_015: "steam",
    27_960: "quake",
    37_810: "dhdiscover",
    47_808: "bacnet",
}
"""Services over UDP that reflect and amplify, by port: the core's list with names."""

_FLOODS = {
    TrafficClass.SYN: "syn-flood",
    TrafficClass.SYN_ACK: "syn-ack-flood",
    TrafficClass.RESET: "rst-flood",
    TrafficClass.UDP: "udp-flood",
    TrafficClass.ICMP: "icmp-flood",
    TrafficClass.FRAGMENT: "fragment-flood",
}
_PROTOCOLS = {4: "ipip", 41: "ipip6", 47: "gre", 50: "esp", 51: "ah", 132: "sctp"}
_FIN, _PUSH, _ACK = 1, 8, 16
# A port that carries less of a class is not worth a vector of its own.
_LEAST = 0.1
# One source port of so much of a flood from many sources tells of a service that is abused.
_REFLECTED = 0.8


def names_of(rows: Columns, kind: int, *, sent: bool) -> dict[str, float]:
    """Return the vectors of one class of traffic with their shares of its packets.

    Without rows the class alone gives the name.
    """
    traffic = TrafficClass(kind)
    mine = rows[rows["class"] == kind]
    if traffic is TrafficClass.REPLY:
        return _by_port(mine, "src_port", "amplification") or {"amplification": 1.0}
    if traffic is TrafficClass.QUERY:
        return _by_port(mine, "dst_port", "query-flood") or {"udp-flood": 1.0}
    if traffic is TrafficClass.TCP:
        return {_tcp(mine): 1.0}
    if traffic is TrafficClass.OTHER:
        return {_other(mine): 1.0}
    if traffic is TrafficClass.UDP and not sent:
        return {_udp(mine): 1.0}
    return {_FLOODS[traffic]: 1.0}


def _by_port(rows: Columns, field: str, suffix: str) -> dict[str, float]:
    if not len(rows):
        return {}
    ports, inverse = np.unique(rows[field], return_inverse=True)
    sums = np.bincount(inverse, rows["packets"].astype(np.float64))
    shares = sums / max(sums.sum(), 1.0)
    found: dict[str, float] = {}
    for place in np.argsort(-shares):
        if shares[place] < _LEAST:
            break
        port = int(ports[place])
        name = f"{SERVICES.get(port, f'udp-{port}')}-{suffix}"
        found[name] = found.get(name, 0.0) + float(shares[place])
    return found


def _tcp(rows: Columns) -> str:
    if not len(rows):
        return "ack-flood"
    flags, inverse = np.unique(rows["flags"] & 0x3F, return_inverse=True)
    top = int(flags[np.argmax(np.bincount(inverse, rows["packets"].astype(np.float64)))])
    if top == 0:
        return "tcp-null-flood"
    if top & _ACK:
        return "fin-flood" if top & _FIN else "psh-ack-flood" if top & _PUSH else "ack-flood"
    return "fin-flood" if top == _FIN else "tcp-flood"


def _other(rows: Columns) -> str:
    if not len(rows):
        return "ip-flood"
    protocols, inverse = np.unique(rows["protocol"], return_inverse=True)
    top = int(protocols[np.argmax(np.bincount(inverse, rows["packets"].astype(np.float64)))])
    return f"{_PROTOCOLS.get(top, f'ip-{top}')}-flood"


def _udp(rows: Columns) -> str:
    """Name a flood of datagrams; one source port of many senders is a service that reflects."""
    if len(rows) < 30:
        return "udp-flood"
    ports, inverse = np.unique(rows["src_port"], return_inverse=True)
    sums = np.bincount(inverse, rows["packets"].astype(np.float64))
    place = int(np.argmax(sums))
    senders = len(distinct(rows["src"][rows["src_port"] == ports[place]]))
    if sums[place] < _REFLECTED * sums.sum() or senders < 10 or ports[place] >= 49_152:
        return "udp-flood"
    return f"udp-{int(ports[place])}-amplification"
