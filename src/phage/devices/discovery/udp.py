"""Which UDP services answer: a question to each in its own language, and SNMP's ARP tables."""

from __future__ import annotations

import secrets
import select
import socket
import struct
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from phage.devices.discovery import snmp
from phage.devices.discovery.services import NAMES, one_line
from phage.records.scan import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.devices.discovery.pace import Pace

ANSWER_SECONDS = 1.0
_READ = 4096

_DNS_VERSION = b"\x07version\x04bind\x00\x00\x10\x00\x03"
_NBNS_STATUS = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01"


def probes(community: str) -> Mapping[int, bytes]:
    """Return what is asked, by port: questions that change nothing."""
    number = secrets.token_bytes(2)
    one_question = number + b"\x00\x00\x00\x01" + bytes(6)
    sip = (
        b"OPTIONS sip:phage SIP/2.0\r\nVia: SIP/2.0/UDP 0.0.0.0;branch=z9hG4bKphage\r\n"
        b"From: <sip:phage>;tag=1\r\nTo: <sip:phage>\r\nCall-ID: " + number.hex().encode()
    )
    return {
        53: one_question + _DNS_VERSION,
        123: b"\xe3" + bytes(47),
        137: one_question + _NBNS_STATUS,
        161: snmp.get(community, 1, (snmp.DESCRIPTION, snmp.OBJECT_ID, snmp.NAME)),
        1900: b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
        b"MX: 1\r\nST: upnp:rootdevice\r\n\r\n",
        3478: b"\x00\x01\x00\x00\x21\x12\xa4\x42" + secrets.token_bytes(12),
        5060: sip + b"\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n",
        5353: one_question + b"\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01",
        5683: b"\x40\x01" + number + b"\xbb.well-known\x04core",
    }


@dataclass
class UdpScan:
    """Asks UDP services. A port that is silent may be open or not: only answers count.

    Attributes:
        pace: How fast.
        community: SNMP's.
        services: What answered, by address.
        facts: What SNMP said, by address.
    """

    pace: Pace
    community: str = "public"
    services: dict[str, list[Service]] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, hosts: Sequence[tuple[str, int]]) -> None:
        """Ask hosts: addresses, each with the number of its link. Raises OSError."""
        for family in (socket.AF_INET, socket.AF_INET6):
            mine = [each for each in hosts if (":" in each[0]) == (family == socket.AF_INET6)]
            if mine:
                self._run(family, mine)

    def _run(self, family: int, hosts: Sequence[tuple[str, int]]) -> None:
        with closing(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as link:
            link.setblocking(False)  # noqa: FBT003  The standard library's.
            asked = {address for address, _ in hosts}
            drain = partial(self._drain, link, asked)
            calls: list[Callable[[], object]] = []
            for port, question in probes(self.community).items():
                if port == 161 and not self.community:
                    continue
                for address, scope in hosts:
                    place = (address, port, 0, scope)[: 4 if ":" in address else 2]
                    calls.append(partial(link.sendto, question, place))
            self.pace.send(link, calls, drain)
            self.pace.listen(link, ANSWER_SECONDS, drain)

    def _drain(self, link: socket.socket, asked: set[str]) -> None:
        # Refusals come as errors of the next call; there is no more to read then.
        with suppress(BlockingIOError):
            while True:
                try:
                    data, source = link.recvfrom(_READ)
                except ConnectionError:
                    continue
                address, port = str(source[0]).partition("%")[0], int(source[1])
                if address in asked and port in NAMES | {3478: "stun"}:
                    self._note(address, port, data)

    def _note(self, address: str, port: int, data: bytes) -> None:
        known = self.services.setdefault(address, [])
        if any(service.port == port for service in known):
            return
        text = ""
        if port == 161:
            answer = snmp.read(data)
            if answer is None:
                return
            self.facts[address] = system_facts(answer)
            text = self.facts[address].get("description", "")
        elif port in {1900, 5060}:
            text = _header(data, b"server:")
        elif port == 53:
            text = _dns_text(data)
        known.append(Service("udp", port, NAMES.get(port, "stun"), text))


def system_facts(answer: snmp.SnmpAnswer) -> dict[str, str]:
    """Return what a device says of itself over SNMP."""
    names = {snmp.DESCRIPTION: "description", snmp.OBJECT_ID: "object_id", snmp.NAME: "name"}
    found = {}
    for name, value in answer.values:
        if isinstance(value, bytes) and name in names:
            found[names[name]] = one_line(value.decode("utf-8", "replace"))
        elif isinstance(value, tuple) and name in names:
            found[names[name]] = ".".join(map(str, value))
    return found


def arp_table(address: str, scope: int, community: str, seconds: float = 3.0) -> dict[str, str]:
    """Return the MAC addresses that a router or switch knows, by IP address.

    What it says is believed as far as any neighbour's word. {} where it does not answer.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    place = (address, 161, 0, scope) if family == socket.AF_INET6 else (address, 161)
    found: dict[str, str] = {}
    link = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    with closing(link), suppress(OSError):
        link.connect(place)
        for table in (snmp.PHYSICAL, snmp.MEDIA):
            _walk(link, table, community, seconds, found)
    return found


def _walk(
    link: socket.socket, table: snmp.Oid, community: str, seconds: float, found: dict[str, str]
) -> None:
    after, number = table, secrets.randbits(30)
    for _ in range(snmp.MAX_ROWS):
        number += 1
        link.send(snmp.get_bulk(community, number, (after,)))
        if not select.select([link], [], [], seconds)[0]:
            return
        answer = snmp.read(link.recv(65_535))
        if answer is None or answer.request != number or answer.error or not answer.values:
            return
        for name, value in answer.values:
            # A name that does not grow would be walked for ever.
            if name[: len(table)] != table or name <= after or len(found) >= snmp.MAX_ROWS:
                return
            after = name
            row = snmp.neighbour(name, value)
            if row is not None:
                found[row[0]] = row[1]


def _header(data: bytes, name: bytes) -> str:
    for line in data[:2048].split(b"\r\n"):
        if line.lower().startswith(name):
            return one_line(line[len(name) :].decode("utf-8", "replace"))
    return ""


def _dns_text(data: bytes) -> str:
    """Return the version that a name server tells (version.bind, TXT of class CHAOS)."""
    end = data.find(_DNS_VERSION)
    if end < 0 or len(data) < 12 or not struct.unpack_from("!H", data, 6)[0]:
        return ""
    answer = data[end + len(_DNS_VERSION) :]
    at = 2 if answer[:1] >= b"\xc0" else answer.find(b"\0") + 1
    length = answer[at + 10 : at + 11]
    text = answer[at + 11 : at + 11 + length[0]] if length else b""
    return one_line(text.decode("utf-8", "replace"))
