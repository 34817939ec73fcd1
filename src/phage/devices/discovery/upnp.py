"""SSDP search and UPnP descriptions (UPnP Device Architecture 2.0, sections 1.3 and 2)."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from phage.devices.discovery.services import one_line

if TYPE_CHECKING:
    from phage.devices.discovery.pace import Pace
    from phage.devices.discovery.targets import Wire

MAX_DESCRIPTION = 256 * 1024
"""Octets of a description; real ones have ten thousand."""

MAX_DEVICES = 1024
MAX_LOCATIONS = 4
"""Descriptions that one address names; a television has three."""

SEARCH_SECONDS = 2.0
FETCH_SECONDS = 4.0
AT_ONCE = 16

_GROUPS = ((socket.AF_INET, "239.255.255.250"), (socket.AF_INET6, "ff02::c"))
_FIELDS = {
    "friendlyName": "friendly_name",
    "manufacturer": "manufacturer",
    "modelName": "model_name",
    "modelNumber": "model_number",
    "serialNumber": "serial",
    "UDN": "udn",
    "deviceType": "type",
}
_IGD_SERVICES = ("WANIPConnection", "WANPPPConnection")


@dataclass
class UpnpSearch:
    """Searches UPnP devices on wires and reads their descriptions.

    Attributes:
        pace: How fast, and whether to go on.
        servers: What each calls its software, by address.
        facts: What descriptions say, by address.
        outside: The address that a router has on its other side, as it says.
        refused: Descriptions that were too long, no XML, or somewhere else than at the device.
    """

    pace: Pace
    servers: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    _locations: dict[str, dict[str, None]] = field(default_factory=dict)

    def run(self, wires: list[Wire]) -> None:
        """Search, then read. Raises OSError."""
        searches = [
            threading.Thread(target=self._search, args=(wire, *each), daemon=True)
            for wire in wires
            for each in _GROUPS
        ]
        for search in searches:
            search.start()
        for search in searches:
            search.join()
        asyncio.run(self._describe())

    def _search(self, wire: Wire, family: int, group: str) -> None:
        version = 4 if family == socket.AF_INET else 6
        own = next((each for each in wire.addresses if each.address.version == version), None)
        if own is None:
            return
        with ExitStack() as stack:
            link = stack.enter_context(closing(socket.socket(family, socket.SOCK_DGRAM)))
            stack.enter_context(suppress(OSError))
            link.setblocking(False)  # noqa: FBT003  The standard library's.
            host = group if version == 4 else f"[{group}]"
            message = (
                f'M-SEARCH * HTTP/1.1\r\nHOST: {host}:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
                "ST: ssdp:all\r\n\r\n"
            ).encode("ascii")
            if version == 4:
                link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
                mine = own.address.packed
                link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mine)
                place: tuple[str, int] | tuple[str, int, int, int] = (group, 1900)
            else:
                number = wire.link.number
                link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, number)
                place = (group, 1900, 0, number)
            drain = partial(self._drain, link)
            self.pace.send(link, [partial(link.sendto, message, place)] * 2, drain)
            self.pace.listen(link, SEARCH_SECONDS, drain)

    def _drain(self, link: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                data, source = link.recvfrom(4096)
                self._answer(str(source[0]).partition("%")[0], data)

    def _answer(self, address: str, data: bytes) -> None:
        lines = data.decode("utf-8", "replace").split("\r\n")
        fields = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines[1:64])
            if colon
        }
        if not lines[0].startswith("HTTP/1.") or (
            address not in self.servers and len(self.servers) >= MAX_DEVICES
        ):
            return
        self.servers[address] = one_line(fields.get("server", "")) or self.servers.get(address, "")
        location = fields.get("location", "")
        mine = self._locations.setdefault(address, {})
        if location in mine or len(mine) >= MAX_LOCATIONS:
            return
        if is_at(location, address):
            mine[location] = None
        elif location:
            self.refused += 1

    async def _describe(self) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        wanted = [(a, place) for a, places in self._locations.items() for place in places]

        async def one(address: str, location: str) -> None:
            async with room:
                await self._read(address, location)

        async with asyncio.TaskGroup() as group:
            for each in wanted:
                group.create_task(one(*each))

    async def _read(self, address: str, location: str) -> None:
        body = await get(location)
        root = parse(body) if body is not None else None
        if root is None:
            self.refused += 1
            return
        said = description(root)
        # The root device is what the thing is; others describe parts of it.
        self.facts[address] = said | self.facts.get(address, {})
        control = igd_control(root)
        if control and is_at(place := urljoin(location, control[1]), address):
            answer = parse(await get(place, _external_request(control[0])) or b"")
            if answer is not None:
                found = next((e.text for e in answer.iter() if e.tag.endswith("IPAddress")), "")
                self.outside[address] = one_line(found or "")[:45]


def is_at(location: str, address: str) -> bool:
    """Tell whether a URL is of the device itself: nobody is sent to look elsewhere by it."""
    try:
        parts = urlsplit(location)
        port = parts.port or 80
    except ValueError:
        return False
    host = (parts.hostname or "").partition("%")[0]
    return parts.scheme == "http" and host == address and 0 < port < 65_536 and len(location) < 1024


async def get(url: str, body: bytes = b"") -> bytes | None:
    """Return a document by HTTP, without following anything; None for a failure or one too long."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (parts.hostname and target.isascii() and target.isprintable() and " " not in target):
        return None
    action = b""
    if body:
        action = b'Content-Type: text/xml\r\nSOAPAction: "%s"\r\nContent-Length: %d\r\n' % (
            body.partition(b'xmlns:u="')[2].partition(b'"')[0] + b"#GetExternalIPAddress",
            len(body),
        )
    verb = b"POST" if body else b"GET"
    head = b"%s %s HTTP/1.0\r\nHost: %s\r\n%s\r\n" % (
        verb, target.encode("ascii"), parts.netloc.encode("ascii", "replace"), action,
    )  # fmt: skip
    pieces, size = [], 0
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            with closing(writer):
                writer.write(head + body)
                while piece := await reader.read(65_536):
                    pieces.append(piece)
                    size += len(piece)
                    if size > MAX_DESCRIPTION:
                        return None
    except (OSError, TimeoutError, ValueError):
        return None
    answer = b"".join(pieces)
    status, _, _ = answer.partition(b"\r\n")
    _, end, document = answer.partition(b"\r\n\r\n")
    return document if end and b" 200" in status[:16] else None


def parse(body: bytes) -> Element | None:
    """Return the root of a document; None for what is no XML, or XML that means harm."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return None  # Also an encoding that nobody knows.
    return root


def description(root: Element) -> dict[str, str]:
    """Return what the root device of a description says of itself, bounded and escaped."""
    device = next((each for each in root.iter() if _tag(each) == "device"), None)
    if device is None:
        return {}
    return {
        _FIELDS[_tag(each)]: one_line(each.text)[:200]
        for each in device
        if _tag(each) in _FIELDS and each.text
    }


def igd_control(root: Element) -> tuple[str, str] | None:
    """Return type and control URL of the service that knows a router's outside; None for none."""
    for service in root.iter():
        if _tag(service) != "service":
            continue
        fields = {_tag(each): (each.text or "").strip() for each in service}
        kind = fields.get("serviceType", "")
        if any(name in kind for name in _IGD_SERVICES) and fields.get("controlURL"):
            return kind[:100], fields["controlURL"][:500]
    return None


def _external_request(kind: str) -> bytes:
    clean = "".join(each for each in kind if each.isalnum() or each in ":-")
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:GetExternalIPAddress xmlns:u="{clean}"/></s:Body></s:Envelope>'
    ).encode("ascii", "replace")


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
