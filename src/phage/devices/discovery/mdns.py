"""mDNS browse: which services hosts on our wires offer (RFC 6762, RFC 6763)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.devices.discovery.services import one_line
from phage.errors import PluginUnavailableError
from phage.records.scan import Service

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

    from phage.clock import Clock

BROWSE_SECONDS = 2.0
RESOLVE_MILLISECONDS = 800
RESOLVE_SECONDS = 60.0
"""For all instances together: anybody can announce thousands that do not answer."""

MAX_INSTANCES = 2048
MAX_TYPES = 256
_ALL_TYPES = "_services._dns-sd._udp.local."


@dataclass
class MdnsBrowse:
    """Browses all services.

    Attributes:
        services: What is offered, by address.
        names: Host names, by address.
        dropped: Instances and types that found no room.
    """

    services: dict[str, list[Service]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    dropped: int = 0
    _types: set[str] = field(default_factory=set)
    _instances: dict[tuple[str, str], None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, interfaces: list[str], stop: threading.Event, clock: Clock | None = None) -> None:
        """Browse on interfaces, which are named by addresses of ours.

        Raises PluginUnavailableError where zeroconf is not installed, OSError.
        """
        try:
            from zeroconf import (  # noqa: PLC0415  Takes 10 MB.
                IPVersion,
                ServiceBrowser,
                ServiceStateChange,
                Zeroconf,
            )
        except ImportError as error:
            message = "mDNS needs the package zeroconf: pip install 'phage[discovery]'"
            raise PluginUnavailableError(message) from error
        clock = clock or SystemClock()
        zeroconf = Zeroconf(interfaces=interfaces, ip_version=IPVersion.All)
        try:

            def changed(
                zeroconf: Zeroconf, service_type: str, name: str, state_change: object
            ) -> None:
                if state_change is not ServiceStateChange.Added:
                    return
                if service_type != _ALL_TYPES:
                    self.add(service_type, name)
                elif name.endswith(".local.") and self.is_new_type(name):
                    ServiceBrowser(zeroconf, name, handlers=[changed])

            ServiceBrowser(zeroconf, _ALL_TYPES, handlers=[changed])
            stop.wait(BROWSE_SECONDS)
            with self._lock:
                found = list(self._instances)
            until = clock.monotonic() + RESOLVE_SECONDS
            for number, (kind, name) in enumerate(found):
                if stop.is_set():
                    break
                if clock.monotonic() >= until:  # Announced, and not answered for.
                    self.dropped += len(found) - number
                    break
                info = zeroconf.get_service_info(kind, name, RESOLVE_MILLISECONDS)
                if info is not None:
                    self._note(kind, info)
        finally:
            zeroconf.close()

    def is_new_type(self, kind: str) -> bool:
        """Note a type of service; tell whether it is to be browsed."""
        with self._lock:
            if kind in self._types:
                return False
            if len(self._types) >= MAX_TYPES:
                self.dropped += 1
                return False
            self._types.add(kind)
            return True

    def add(self, kind: str, name: str) -> None:
        """Note an instance of a service."""
        with self._lock:
            if len(self._instances) >= MAX_INSTANCES:
                self.dropped += 1
                return
            self._instances[kind, name] = None

    def _note(self, kind: str, info: ServiceInfo) -> None:
        first, _, rest = kind.partition(".")
        protocol = "udp" if rest.startswith("_udp") else "tcp"
        label = one_line(info.name.removesuffix(f".{kind}"))[:120]
        texts = [
            f"{key.decode('utf-8', 'replace')}={(value or b'').decode('utf-8', 'replace')}"
            for key, value in list(info.properties.items())[:16]
        ]
        banner = one_line("; ".join([label, *texts]))
        for address in info.parsed_addresses()[:16]:
            plain = address.partition("%")[0]
            self.names[plain] = one_line(info.server or "").removesuffix(".local.")[:120]
            known = self.services.setdefault(plain, [])
            if info.port and len(known) < 64:
                known.append(Service(protocol, info.port, one_line(first.lstrip("_"))[:40], banner))
