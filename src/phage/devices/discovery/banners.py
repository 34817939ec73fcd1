"""Asks open ports who they are: a connection each, bounded in octets and time."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.discovery.services import HTTP_REQUEST, SILENT, TLS_PORTS, read_banner
from phage.records.scan import Service

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

AT_ONCE = 256
"""Connections at a time, to all hosts; one at a time to each: most of the time is spent waiting
for a greeting, and a /24 waits together."""

MAX_OCTETS = 8192
"""Read of one service: a server that never stops is cut off."""

MAX_PORTS = 64
"""Ports of one host that are asked; one that has more open answers to anything."""

CONNECT_SECONDS = 2.0
GREETING_SECONDS = 0.7
ANSWER_SECONDS = 2.0
HOST_SECONDS = 20.0
"""All ports of one host together: what is slower keeps its ports, without banners."""


@dataclass
class Banners:
    """Asks services of hosts.

    Attributes:
        stop: Set to give up.
        progress: Told how many hosts of how many are done.
        cut: Services that said more than is read.
        late: Hosts that were left in the middle: they answer too slowly.
    """

    stop: threading.Event
    progress: Callable[[int, int], None] = lambda _done, _whole: None
    cut: int = 0
    late: int = 0
    _services: dict[str, list[Service]] = field(default_factory=dict)

    def run(self, hosts: Iterable[tuple[str, int, Iterable[int]]]) -> dict[str, list[Service]]:
        """Return services by address, of hosts with the number of their link and open ports."""
        wanted = [(address, scope, sorted(ports)) for address, scope, ports in hosts]
        asyncio.run(self._all(wanted))
        return self._services

    async def _all(self, hosts: list[tuple[str, int, list[int]]]) -> None:
        room, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(address: str, scope: int, ports: list[int]) -> None:
            nonlocal done
            found = {port: Service("tcp", port, read_banner(port, b"").name) for port in ports}
            async with room:
                try:
                    async with asyncio.timeout(HOST_SECONDS):
                        for port in ports[:MAX_PORTS]:
                            if self.stop.is_set():
                                break
                            found[port] = await self._service(address, scope, port)
                except TimeoutError:
                    self.late += 1
            self._services[address] = list(found.values())
            done += 1
            self.progress(done, len(hosts))

        async with asyncio.TaskGroup() as group:
            for each in hosts:
                group.create_task(one(*each))

    async def _service(self, address: str, scope: int, port: int) -> Service:
        host = f"{address}%{scope}" if scope and ":" in address else address
        raw = b""
        if port in TLS_PORTS:
            raw = await self._talk(host, port, _request(address), tls=True)
        if not raw:
            request = b"" if port in SILENT else _request(address)
            raw = await self._talk(host, port, request, tls=False)
        banner = read_banner(port, raw)
        text = f"{banner.text}; title {banner.title}" if banner.title else banner.text
        return Service("tcp", port, banner.name, text, banner.software)

    async def _talk(self, host: str, port: int, request: bytes, *, tls: bool) -> bytes:
        """Return what a service says by itself, else to a request; b'' for nothing."""
        context = _context() if tls else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    host, port, ssl=context, limit=MAX_OCTETS
                )
        except (OSError, TimeoutError, ValueError):
            return b""
        try:
            said = b"" if tls else await self._read(reader, GREETING_SECONDS)
            if not said and request:
                writer.write(request)
                said = await self._read(reader, ANSWER_SECONDS)
        except (OSError, ValueError):
            said = b""
        finally:
            writer.transport.abort()
            with suppress(OSError, ValueError):
                await writer.wait_closed()
        return said

    async def _read(self, reader: asyncio.StreamReader, seconds: float) -> bytes:
        """Return what comes until it pauses, up to a bound."""
        parts, size = [], 0
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while size < MAX_OCTETS and (piece := await reader.read(MAX_OCTETS - size)):
                    parts.append(piece)
                    size += len(piece)
                    if b"</title>" in piece or (b"\n" in piece and not piece.startswith(b"HTTP")):
                        break
        self.cut += size >= MAX_OCTETS
        return b"".join(parts)


def _request(address: str) -> bytes:
    host = f"[{address}]" if ":" in address else address
    return HTTP_REQUEST % host.encode("ascii")


def _context() -> ssl.SSLContext:
    """Return what speaks with anybody: who it is, is what we ask; nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with suppress(ssl.SSLError):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context
