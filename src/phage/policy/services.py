"""Protocols and services by name, as people write them: "ssh", "tcp/22", "udp/8000-8100"."""

from __future__ import annotations

import re

from phage.records.packetrule import Service

TCP, UDP, SCTP, ICMP, ICMPV6 = 6, 17, 132, 1, 58

PORTED = frozenset({TCP, UDP, SCTP})
"""Protocols with ports."""

PROTOCOLS = {
    "icmp": ICMP,
    "igmp": 2,
    "tcp": TCP,
    "udp": UDP,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": ICMPV6,
    "ospf": 89,
    "sctp": SCTP,
}
"""Protocol numbers (IANA, Assigned Internet Protocol Numbers)."""

_BY_NUMBER = {number: name for name, number in PROTOCOLS.items()}

SERVICES = {
    "ftp": "tcp/21",
    "ssh": "tcp/22",
    "telnet": "tcp/23",
    "smtp": "tcp/25 tcp/465 tcp/587",
    "dns": "udp/53 tcp/53",
    "dns-over-tls": "tcp/853 udp/853",
    "dhcp": "udp/67-68",
    "dhcpv6": "udp/546-547",
    "tftp": "udp/69",
    "http": "tcp/80 tcp/8080",
    "https": "tcp/443 udp/443",
    "web": "tcp/80 tcp/443 udp/443",
    "kerberos": "tcp/88 udp/88",
    "pop3": "tcp/110 tcp/995",
    "imap": "tcp/143 tcp/993",
    "ntp": "udp/123",
    "netbios": "udp/137-138 tcp/139",
    "snmp": "udp/161-162",
    "ldap": "tcp/389 tcp/636 udp/389",
    "smb": "tcp/445",
    "syslog": "udp/514 tcp/6514",
    "ipp": "tcp/631",
    "printer": "tcp/515 tcp/631 tcp/9100",
    "rsync": "tcp/873",
    "openvpn": "udp/1194 tcp/1194",
    "mssql": "tcp/1433 udp/1434",
    "mqtt": "tcp/1883 tcp/8883",
    "nfs": "tcp/2049 udp/2049",
    "mysql": "tcp/3306",
    "rdp": "tcp/3389 udp/3389",
    "ipsec": "udp/500 udp/4500 esp",
    "sip": "tcp/5060-5061 udp/5060",
    "rtsp": "tcp/554 udp/554",
    "mdns": "udp/5353",
    "llmnr": "udp/5355",
    "ssdp": "udp/1900",
    "upnp": "udp/1900 tcp/5000",
    "postgresql": "tcp/5432",
    "vnc": "tcp/5900-5903",
    "adb": "tcp/5555",
    "redis": "tcp/6379",
    "irc": "tcp/6667 tcp/6697",
    "bittorrent": "tcp/6881-6889 udp/6881-6889",
    "wireguard": "udp/51820",
    "ping": "icmp/8 icmpv6/128",
}
"""Services that need no object (IANA, Service Name and Transport Protocol Port Number Registry, and
where programs listen in practice)."""

_NUMBERS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


def parse_protocol(text: str) -> int:
    """Return the number of a protocol that is named or numbered. Raises ValueError."""
    name = text.lower()
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if re.fullmatch("[0-9]{1,3}", name) and int(name) <= 255:
        return int(name)
    message = f"{text[:40]!r} is no protocol; write {', '.join(PROTOCOLS)} or a number up to 255"
    raise ValueError(message)


def parse_range(text: str, highest: int = 65_535) -> tuple[int, int]:
    """Return the range of numbers "80" or "8000-8100", both ends included. Raises ValueError."""
    found = _NUMBERS.fullmatch(text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not 0 <= low <= high <= highest:
        message = f"{text[:40]!r} is no number or range up to {highest}, such as 80 or 8000-8100"
        raise ValueError(message)
    return low, high


def parse_service(text: str) -> tuple[Service, ...] | None:
    """Return what a service's text means; None when it is a name that is not known here.

    Raises ValueError.
    """
    if "/" in text:
        protocol_text, _, numbers = text.partition("/")
        if protocol_text == "ip":
            return (Service(parse_protocol(numbers)),)
        protocol = parse_protocol(protocol_text)
        if protocol in PORTED:
            return (Service(protocol, (parse_range(numbers),)),)
        if protocol in (ICMP, ICMPV6):
            return (Service(protocol, (parse_range(numbers, 255),)),)
        message = f"{protocol_text} has no ports; write {protocol_text} alone"
        raise ValueError(message)
    if text in SERVICES:
        return tuple(
            service for part in SERVICES[text].split() for service in parse_service(part) or ()
        )
    return (Service(PROTOCOLS[text]),) if text in PROTOCOLS else None


def protocol_name(number: int) -> str:
    """Return the name of a protocol: "tcp", "ip/77"."""
    return _BY_NUMBER.get(number, f"ip/{number}")


def range_text(low: int, high: int) -> str:
    """Return "80" or "8000-8100"."""
    return str(low) if low == high else f"{low}-{high}"


def service_texts(service: Service) -> list[str]:
    """Return a service as it is written: ["tcp/80", "tcp/8000-8100"]."""
    name = protocol_name(service.protocol)
    return [f"{name}/{range_text(*ports)}" for ports in service.ports] or [name]
