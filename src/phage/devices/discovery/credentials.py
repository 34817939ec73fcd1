"""Default passwords: tried only when a person asks for it by name, and on own hosts only.

A few pairs that makers ship, one at a time with a pause: many devices lock out who guesses. What is
found is told by the user's name; the password is in the maker's manual.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from phage.records.scan import Service

PAIRS = (
    ("admin", "admin"),
    ("admin", ""),
    ("admin", "password"),
    ("admin", "1234"),
    ("root", "root"),
    ("user", "user"),
)
"""What cameras, routers and printers are delivered with; more would lock people out."""

PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 4.0
MAX_OCTETS = 4096
AT_ONCE = 16

_NOBODY = ("phage-nobody", "phage-no-password")
"""A service that lets this in lets everybody in: its answers prove nothing."""


@dataclass
class Credentials:
    """Tries default passwords on web pages and FTP.

    Attributes:
        stop: Set to give up.
        found: User names that a default password let in, by address and service.
    """

    stop: threading.Event
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, hosts: Iterable[tuple[str, Iterable[Service]]]) -> None:
        """Try hosts: addresses with their services."""
        asyncio.run(self._all([(address, list(services)) for address, services in hosts]))

    async def _all(self, hosts: list[tuple[str, list[Service]]]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(address: str, services: list[Service]) -> None:
            async with room:
                for service in services:
                    if service.name in {"http", "ftp"}:
                        await self._service(address, service)

        async with asyncio.TaskGroup() as group:
            for each in hosts:
                group.create_task(one(*each))

    async def _service(self, address: str, service: Service) -> None:
        attempt = _http if service.name == "http" else _ftp
        if await attempt(address, service.port, *_NOBODY) is not False:
            return  # It asks for no password, lets everybody in, or does not answer.
        for user, password in PAIRS:
            await asyncio.sleep(PAUSE_SECONDS)
            if self.stop.is_set():
                return
            if await attempt(address, service.port, user, password):
                self.found.setdefault(address, {})[service.key] = user
                return


async def _http(address: str, port: int, user: str, password: str) -> bool | None:
    """Tell whether a page lets a user in; None where it asks for no password or does not answer."""
    host = f"[{address}]" if ":" in address else address
    key = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    request = f"GET / HTTP/1.0\r\nHost: {host}\r\nAuthorization: Basic {key}\r\n\r\n"
    (answer,) = await _talk(address, port, [request.encode("ascii")], greeting=False)
    if b" 401" in answer[:16]:
        return False if b"basic" in answer.lower() else None
    return True if b" 200" in answer[:16] else None


async def _ftp(address: str, port: int, user: str, password: str) -> bool | None:
    lines = [f"USER {user}\r\n".encode("ascii"), f"PASS {password}\r\n".encode("ascii")]
    answers = await _talk(address, port, lines, greeting=True)
    if answers[-1].startswith(b"230"):
        return True
    return False if answers[-1].startswith(b"530") else None


async def _talk(address: str, port: int, lines: list[bytes], *, greeting: bool) -> list[bytes]:
    """Return the answer to each line; b'' where there is none."""
    answers = [b""] * len(lines)
    with suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                if greeting:
                    await reader.read(MAX_OCTETS)
                for at, line in enumerate(lines):
                    writer.write(line)
                    answers[at] = await reader.read(MAX_OCTETS)
            finally:
                writer.transport.abort()
    return answers
