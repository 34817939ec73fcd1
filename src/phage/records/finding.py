"""A finding: what a detector reports, with its evidence."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(enum.StrEnum):
    """How bad it is, as a person would sort it."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for info up to 4 for critical."""
        return list(Severity).index(self)


class FindingState(enum.StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"
    """It became a part of the finding that `related` names, and is not to be listed by itself."""


@frozen
class Subject:
    """Whom a finding is about; '' where unknown. `device` is the MAC, else the address."""

    mac: str = ""
    ip: str = ""
    device: str = ""


@frozen
class Peer:
    """Somebody the subject had to do with, and by which services ("tcp/23", "icmp", "arp")."""

    ip: str
    mac: str = ""
    services: tuple[str, ...] = ()


@frozen
class Feature:
    """One number that was unusual: its value against what is normal, in its unit."""

    name: str
    value: float
    expected_low: float
    expected_high: float
    unit: str
    weight: float = 0.0
    meaning: str = ""


@frozen
class Finding:
    """What one detector says of one attack. A later one with the same `key` updates it.

    `key` names the attack within the detector: the same subject and the same way give the same key.
    `spoofable` tells that the evidence is one-way packets whose source anyone can forge.
    `causes` is how many packets (or flows, for `unit`) stand behind it. `peers_total` counts all
    peers where `peers` lists only the first.
    """

    detector: str
    key: str
    severity: Severity
    score: float
    subject: Subject
    summary: str
    first_seen: int
    last_seen: int
    peers: tuple[Peer, ...] = ()
    peers_total: int = 0
    packets: int = 0
    evidence: Mapping[str, object] = field(default_factory=dict)
    features: tuple[Feature, ...] = ()
    spoofable: bool = False
    id: str = ""
    state: FindingState = FindingState.OPEN
    count: int = 1
    capture: str = ""
    related: tuple[str, ...] = ()

    @property
    def stranger(self) -> str:
        """The address of an attacker who is no device that was seen here; '' where there is none.

        Only where he showed that he receives answers: what anyone can forge accuses nobody. An
        address of our own that is behind a router may be among them.
        """
        if self.spoofable or self.subject.mac or not self.subject.ip:
            return ""
        if self.evidence.get("subject_is", "attacker") != "attacker":
            return ""
        return self.subject.ip if ipaddress.ip_address(self.subject.ip).is_global else ""
