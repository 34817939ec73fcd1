"""The contract of a detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, runtime_checkable

from phage.records.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.records import Finding, Window
    from phage.records.indicator import IndicatorKind, Mention
    from phage.records.profile import Deviation
    from phage.records.threshold import Threshold


class CatalogEntry(NamedTuple):
    """What one feature of the scores is: name, unit, meaning."""

    name: str
    unit: str
    meaning: str


class Intelligence(Protocol):
    """What threat intelligence says; it is asked, and never changes while a window is looked at."""

    def address(self, raw: bytes) -> tuple[Mention, ...]:
        """Return who lists an address (16 octets), directly or with a network around it."""

    def domain(self, name: str) -> tuple[Mention, ...]:
        """Return who lists a domain or one above it."""

    def value(self, kind: IndicatorKind, value: str) -> tuple[Mention, ...]:
        """Return who lists a value in canonical form."""


@dataclass(slots=True)
class Knowledge:
    """What detectors may know beside the windows; filled in by the pipeline, read by detectors.

    Attributes:
        learning: Whether the model is still learning what is normal.
        home: Networks that are ours, as CIDR text.
        routers: MAC addresses of routers.
        budget: False findings that the owner accepts, per device and week.
        servers: Addresses that are trusted as DHCP servers, resolvers and the like, by role.
        names: What people call devices, by MAC, else by address: "Camera", "Anna's phone".
        catalog: The features that score rows name by number: behaviour first, then damped.
        attacked: MAC and IP addresses of all whom open findings of specific detectors name.
        intelligence: What threat intelligence says; None where there are no feeds.
        thresholds: How much traffic is too much; () where nothing is set.
        watched: Services and groups whose volumes are counted.
        spared: Networks whose traffic is never judged by its volume: 16 octets, IPv4 mapped, and
            the length.
        deviations: How devices deviate from their profiles in this window.
    """

    learning: bool = True
    home: tuple[str, ...] = ()
    routers: frozenset[str] = frozenset()
    budget: float = 1.0
    servers: dict[str, frozenset[str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    catalog: tuple[CatalogEntry, ...] = ()
    attacked: frozenset[str] = frozenset()
    intelligence: Intelligence | None = None
    thresholds: tuple[Threshold, ...] = ()
    watched: Watched = field(default_factory=Watched)
    spared: tuple[tuple[bytes, int], ...] = ()
    deviations: tuple[Deviation, ...] = ()


class Exports(Enum):
    """What a detector is shown of what exporters tell."""

    NOTHING = 0
    OVER = 1
    ALL = 2


@runtime_checkable
class Detector(Protocol):
    """Finds one kind of attack in windows.

    A detector is a deterministic function of the windows it was given: no input or output, no clock
    but the windows' times, no database. It may keep state, under a cap. It yields a finding when an
    attack opens and again when it goes on (same `key`); merging, closing and storing are not its
    business. The order of rows and observations of the same time within a window does not matter to
    it. It can be made without arguments; its settings are fields with defaults.

    A detector that reads the events of logs says so by a class variable `of_logs = True`. It is
    shown windows of events only, and all others are never shown these: logs and packets keep
    clocks of their own. One that understands what exporters tell of flows (sampled as a rule, and
    each direction apart) says so by `of_exports`: `Exports.ALL` shows it these windows as they
    come, `Exports.OVER` shows it the flows that are over (see `phage.detect.exported`). All others
    are shown windows of packets only.
    """

    name: ClassVar[str]
    """The detector's name, as findings carry it."""

    summary: ClassVar[str]
    """What it finds, in one line."""

    @property
    def dropped(self) -> int:
        """How many entries the detector's tables had to drop so far."""

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterable[Finding]:
        """Look at one window."""
