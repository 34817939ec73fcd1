"""Active scans of our own network: what was asked for, what answered, what is new."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool | tuple[str, ...]


class ScanState(enum.StrEnum):
    """How far a scan is."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """By a person, or because phage ended."""
    FAILED = "failed"


class Change(enum.StrEnum):
    """What became different."""

    ADD = "add"
    """A host or a service that was never there."""
    REMOVE = "remove"
    """A service that was always there is gone for good."""
    CHANGE = "change"
    """A service is another program or version."""
    UP = "up"
    """A host that was away is back."""
    DOWN = "down"
    """A host that was always there is away for longer than ever."""


@frozen
class Service:
    """A port that is open.

    Attributes:
        protocol: "tcp" or "udp".
        port: Its number.
        name: What is spoken there: "ssh", "http"; '' where unknown.
        banner: What it said of itself, bounded, control characters escaped.
        software: The product and version that the banner names; ''.
        certain: It answered; else it did not refuse (UDP).
    """

    protocol: str
    port: int
    name: str = ""
    banner: str = ""
    software: str = ""
    certain: bool = True

    @property
    def key(self) -> str:
        """Return "tcp/22"."""
        return f"{self.protocol}/{self.port}"


@frozen
class ScanHost:
    """A host that answered.

    Attributes:
        address: Its IP address.
        mac: Its MAC address; '' where it is behind a router.
        interface: Where it was seen.
        ways: By what it answered: "arp", "nd", "icmp", "tcp", "mdns", "ssdp", "snmp", "self".
        services: Its open ports.
        facts: What else it said of itself, by kind of observation ("upnp", "snmp"), cleaned.
    """

    address: str
    mac: str = ""
    interface: str = ""
    ways: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    facts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


@frozen
class ScanOptions:
    """What is asked for.

    Attributes:
        targets: Networks and addresses; empty for those of our interfaces.
        ports: "top100", "all", "none", or "22,80,8000-8100".
        fast: As fast as the network goes.
        udp: Ask UDP services too.
        browse: Ask by mDNS and SSDP.
        outside: Scan the address that our router has on its other side, too.
        credentials: Try default passwords.
        community: SNMP's; '' asks none.
    """

    targets: tuple[str, ...] = ()
    ports: str = "top100"
    fast: bool = False
    udp: bool = True
    browse: bool = True
    outside: bool = False
    credentials: bool = False
    community: str = "public"


@frozen
class Scan:
    """One scan. Times are nanoseconds since the Unix epoch.

    Attributes:
        id: A name that sorts by time.
        targets: Networks and addresses that were scanned.
        ports: "top100", "all", or a list such as "22,80,8000-8100"; '' for none.
        fast: As fast as the network goes, instead of gently.
        by: Who asked for it.
        covered: TCP ports that were tried on each host, as ranges.
        sent: Packets and requests that went out.
        dropped: What bounds left out, by name.
        fault: Why it failed; ''.
    """

    id: str
    targets: tuple[str, ...] = ()
    ports: str = ""
    fast: bool = False
    by: str = ""
    state: ScanState = ScanState.RUNNING
    started: int = 0
    ended: int = 0
    hosts: tuple[ScanHost, ...] = ()
    covered: tuple[tuple[int, int], ...] = ()
    sent: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    fault: str = ""


@frozen
class ScanDiff:
    """Something that a scan found to be different.

    Attributes:
        scan: The scan that showed it.
        at: When.
        status: What kind of difference.
        host: Address of the host.
        mac: Its MAC address; ''.
        service: "tcp/22"; '' where it is the host itself.
        before: What it was; ''.
        after: What it is; ''.
        notice: A person should be told; else it is only recorded, as that a port was closed.
    """

    scan: str
    at: int
    status: Change
    host: str
    mac: str = ""
    service: str = ""
    before: str = ""
    after: str = ""
    notice: bool = True
