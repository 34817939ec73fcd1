"""Lifelines: what this machine cannot be without, and so is never decided against.

Its own addresses, the routers, name servers, DHCP servers and time servers that it uses, each with
the reason. Everything is read from the kernel and from files that anybody may read; what cannot be
read is left out and named in `Lifelines.faults`. Only `look_names_up` asks anybody else.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from phage.devices.discovery import rtnetlink
from phage.policy.allowlist import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Address

    from phage.clock import Clock
    from phage.devices.discovery.rtnetlink import OwnAddress

MAX_FILE = 1 << 20
"""Octets read of one file."""

MAX_NAMES = 32
"""Names of time servers that are looked up."""

READ_EVERY = 10.0
"""Seconds between two readings of files; what the kernel knows is asked at each look."""

NTP_PORT = 123

_CHUNK = 1 << 16

_RESOLVERS = ("etc/resolv.conf", "run/systemd/resolve/resolv.conf")
_LEASES = (
    "run/systemd/netif/leases/*",
    "var/lib/dhcp/*.leases",
    "var/lib/dhclient/*.lease*",
    "var/lib/NetworkManager/*.lease",
    "run/NetworkManager/devices/*",
)
_TIME_FILES = (
    "etc/systemd/timesyncd.conf",
    "etc/systemd/timesyncd.conf.d/*.conf",
    "etc/ntp.conf",
    "etc/ntpsec/ntp.conf",
    "etc/chrony/chrony.conf",
    "etc/chrony.conf",
    "etc/chrony/sources.d/*.sources",
)
_LEASE_KEYS = {
    # systemd-networkd and NetworkManager; dhclient's option names.
    "server_address": "DHCP server",
    "dhcp-server-identifier": "DHCP server",
    "dhcp_server_identifier": "DHCP server",
    "router": "router of the DHCP lease",
    "routers": "router of the DHCP lease",
    "dns": "name server of the DHCP lease",
    "domain-name-servers": "name server of the DHCP lease",
    "domain_name_servers": "name server of the DHCP lease",
    "ntp": "time server of the DHCP lease",
    "ntp-servers": "time server of the DHCP lease",
    "ntp_servers": "time server of the DHCP lease",
}
_LEASE_LINE = re.compile(r"^\s*(?:option\s+)?([A-Za-z_-]+)[\s=]+([^;\n]+);?\s*$", re.MULTILINE)
_TIME_LINE = re.compile(
    r"^\s*(?:server|pool|peer)\s+(\S+)|^\s*(?:Fallback)?NTP=(.*)$", re.MULTILINE
)


@dataclass
class Lifelines:
    """Finds what this machine depends on.

    Attributes:
        clock: Tells when files are read again.
        root: The file system; another one in tests.
        look_up: Returns the addresses of a name, or raises OSError; None for the system's.
        faults: What could not be read at the last look.
    """

    clock: Clock
    root: Path = Path("/")
    look_up: Callable[[str], Iterable[str]] | None = None
    faults: list[str] = field(default_factory=list, init=False)
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False)
    _routers: tuple[str, ...] = field(default=(), init=False, repr=False)
    _read: list[Entry] = field(default_factory=list, init=False, repr=False)
    _read_at: float | None = field(default=None, init=False, repr=False)

    def entries(self) -> list[Entry]:
        """Return what is protected now, and why."""
        self.faults = []
        now = self.clock.monotonic()
        if self._read_at is None or now - self._read_at >= READ_EVERY:
            self._read_at = now
            self._read = [*self._files(), *self._time_servers()]
        found = [*self._kernel(), *self._read, *self._sockets()]
        macs = self._neighbours()
        own = [Entry(mac, "an interface of this machine") for mac in self._own_macs()]
        behind = [
            Entry(macs[entry.value], f"{entry.why} ({entry.value})")
            for entry in found
            if entry.value in macs
        ]
        return [*found, *own, *behind]

    def _kernel(self) -> Iterator[Entry]:
        try:
            for own in rtnetlink.own_addresses():
                yield Entry(str(own.address), "an address of this machine", is_own=True)
                for address in _of_everybody(own):
                    why = "the broadcast address of a network here"
                    yield Entry(str(address), why, is_own=True, is_everybody=True)
            self._routers = tuple(map(str, rtnetlink.gateways()))
            for router in self._routers:
                yield Entry(router, "a router of this machine")
        except OSError as error:
            self.faults.append(f"the kernel's addresses and routes: {error.strerror or error}")

    def _neighbours(self) -> dict[str, str]:
        try:
            return rtnetlink.neighbours()
        except OSError as error:
            self.faults.append(f"the kernel's neighbours: {error.strerror or error}")
            return {}

    def _own_macs(self) -> Iterator[str]:
        for path in sorted((self.root / "sys/class/net").glob("*/address")):
            mac = _text(path).strip()
            if re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", mac) and mac != "00:00:00:00:00:00":
                yield mac

    def _files(self) -> Iterator[Entry]:
        for name in _RESOLVERS:
            for line in _text(self.root / name).splitlines():
                words = line.split()
                if len(words) >= 2 and words[0] == "nameserver":
                    yield from _addresses([words[1]], "a name server of this machine")
        for pattern in _LEASES:
            for path in sorted(self.root.glob(pattern))[:64]:
                for key, value in _LEASE_LINE.findall(_text(path)):
                    why = _LEASE_KEYS.get(key.lower())
                    if why is not None:
                        yield from _addresses(re.split(r"[\s,]+", value), f"the {why}")

    def _sockets(self) -> Iterator[Entry]:
        """Yield the time servers that programs here have sockets to."""
        for name in ("udp", "udp6"):
            for _, remote in connections(self.root / "proc/net" / name, remote=(NTP_PORT,)):
                yield from _addresses([remote[0]], "a time server in use here")

    def routers(self) -> tuple[str, ...]:
        """Return the addresses of this machine's routers, as of the last look."""
        return self._routers

    def look_names_up(self) -> None:
        """Look the time servers up by name; may take long where the network is down."""
        for name in self._time_names():
            try:
                self._names[name] = tuple((self.look_up or _look_up)(name))
            except OSError:
                self._names.setdefault(name, ())

    def _time_servers(self) -> Iterator[Entry]:
        for name, addresses in list(self._names.items()):
            yield from _addresses(addresses, f"the time server {name}")

    def _time_names(self) -> list[str]:
        names: dict[str, None] = {}
        for pattern in _TIME_FILES:
            for path in sorted(self.root.glob(pattern)):
                for server, line in _TIME_LINE.findall(_text(path)):
                    names.update(dict.fromkeys([server] if server else line.split()))
        return list(names)[:MAX_NAMES]


Endpoint = tuple[str, int]


def connections(
    path: Path, local: Iterable[int] = (), remote: Iterable[int] = (), state: int | None = None
) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Yield local and remote end of the sockets of a table of proc_pid_net(5).

    Args:
        path: The table; a busy server has ten thousands of lines, and most are not wanted.
        local: Ports of the local end that are wanted; () for all.
        remote: The same of the remote end.
        state: State that is wanted (include/net/tcp_states.h); None for all.
    """
    for found in _lines(tuple(local), tuple(remote), state).finditer(_octets(path, 64 * MAX_FILE)):
        yield _endpoint(found[1].decode()), _endpoint(found[2].decode())


@functools.lru_cache(maxsize=16)
def _lines(local: tuple[int, ...], remote: tuple[int, ...], state: int | None) -> re.Pattern[bytes]:
    """Return what matches the lines of such a table that are wanted."""

    def end(ports: tuple[int, ...]) -> str:
        port = "|".join(f"{port:04X}" for port in ports) or "[0-9A-F]{4}"
        return f"([0-9A-F]+:(?:{port}))"

    number = "[0-9A-F]{2}" if state is None else f"{state:02X}"
    return re.compile(rf"^ *\d+: {end(local)} {end(remote)} {number}\b".encode(), re.MULTILINE)


def _endpoint(text: str) -> Endpoint:
    """Return address and port of "0100007F:0016": 32-bit words in the host's order."""
    raw, _, port = text.partition(":")
    words = bytes.fromhex(raw)
    octets = b"".join(words[begin : begin + 4][::-1] for begin in range(0, len(words), 4))
    address = ipaddress.ip_address(octets)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address), int(port, 16)


def _addresses(texts: Iterable[str], why: str) -> Iterator[Entry]:
    for text in texts:
        try:
            address = ipaddress.ip_address(text.partition("%")[0].strip())
        except ValueError:
            continue
        if not address.is_unspecified:
            yield Entry(str(address), why)


def _of_everybody(own: OwnAddress) -> Iterator[IPv4Address]:
    """Yield the addresses by which all of an IPv4 network are meant (RFC 919, RFC 922)."""
    if isinstance(own.address, ipaddress.IPv4Address) and own.prefix < 31:
        network = ipaddress.IPv4Network((int(own.address), own.prefix), strict=False)
        yield network.broadcast_address
        yield network.network_address


def _text(path: Path) -> str:
    return _octets(path, MAX_FILE).decode("utf-8", "replace")


def _octets(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return b"".join(_chunks(file, most))
    except OSError:
        return b""


def _chunks(file: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield a file piece by piece: room for all of it is not asked for before it is needed."""
    while most > 0 and (chunk := file.read(min(most, _CHUNK))):
        most -= len(chunk)
        yield chunk


def _look_up(name: str) -> list[str]:
    answers = socket.getaddrinfo(name, NTP_PORT, type=socket.SOCK_DGRAM)
    return [str(answer[4][0]) for answer in answers]
