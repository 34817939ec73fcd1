"""The contract of a detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from phage.records import Finding, Window


@dataclass(slots=True)
class Knowledge:
    """What detectors may know beside the windows; filled in by the pipeline, read by detectors.

    Attributes:
        learning: Whether the model is still learning what is normal.
        home: Networks that are ours, as CIDR text.
        routers: MAC addresses of routers.
        budget: False findings that the owner accepts, per device and week.
        servers: Addresses that are trusted as DHCP servers, resolvers and the like, by role.
    """

    learning: bool = True
    home: tuple[str, ...] = ()
    routers: frozenset[str] = frozenset()
    budget: float = 1.0
    servers: dict[str, frozenset[str]] = field(default_factory=dict)


@runtime_checkable
class Detector(Protocol):
    """Finds one kind of attack in windows.

    A detector is a deterministic function of the windows it was given: no input or output, no clock but
    the windows' times, no database. It may keep state, under a cap. It yields a finding when an attack
    opens and again when it goes on (same `key`); merging, closing and storing are not its business.
    """

    name: str
    """The detector's name, as findings carry it."""

    summary: str
    """What it finds, in one line."""

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterable[Finding]:
        """Look at one window."""
