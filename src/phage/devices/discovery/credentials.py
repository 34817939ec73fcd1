"""Default passwords: tried only when a person asks for it by name, and on own hosts only.

A few pairs that makers ship, one at a time with a pause: many devices lock out who guesses. What is
found is told by the user's name; the password is in the maker's manual.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.discovery.logins import ATTEMPTS

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from phage.records.scan import Service

_log = logging.getLogger(__name__)

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
AT_ONCE = 16

_NOBODY = ("phage-nobody", "phage-no-password")
"""A service that lets this in lets everybody in: its answers prove nothing."""


@dataclass
class Credentials:
    """Tries default passwords on web pages, FTP, Telnet and SSH.

    Attributes:
        stop: Set to give up.
        left_out: Services that cannot be tried here, with the reason.
        found: User names that a default password let in, by address and service.
    """

    stop: threading.Event
    left_out: dict[str, str] = field(default_factory=dict)
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, hosts: Iterable[tuple[str, Iterable[Service]]]) -> None:
        """Try hosts: addresses with their services."""
        if importlib.util.find_spec("asyncssh") is None:
            self.left_out["ssh"] = "needs asyncssh (pip install 'phage[discovery]')"
        asyncio.run(self._all([(address, list(services)) for address, services in hosts]))

    async def _all(self, hosts: list[tuple[str, list[Service]]]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(address: str, services: list[Service]) -> None:
            async with room:
                for service in services:
                    if service.name in ATTEMPTS and service.name not in self.left_out:
                        await self._service(address, service)

        async with asyncio.TaskGroup() as group:
            for each in hosts:
                group.create_task(one(*each))

    async def _service(self, address: str, service: Service) -> None:
        if await _attempt(address, service, *_NOBODY) is not False:
            return  # It asks for no password, lets everybody in, or does not answer.
        for user, password in PAIRS:
            await asyncio.sleep(PAUSE_SECONDS)
            if self.stop.is_set():
                return
            if await _attempt(address, service, user, password):
                self.found.setdefault(address, {})[service.key] = user
                return


async def _attempt(address: str, service: Service, user: str, password: str) -> bool | None:
    """Try once; None too where a service makes a library stumble: the others are still tried."""
    try:
        return await ATTEMPTS[service.name](address, service.port, user, password)
    except Exception:  # noqa: BLE001  What is said there may be anything.
        _log.warning("%s: %s makes no sense", address, service.key, extra={"limit": "logins"})
        return None
