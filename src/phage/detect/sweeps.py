"""Sweeps of the link: who asks for many addresses by ARP (RFC 826) or ND (RFC 4861).

A host asks for the router and for the few it talks to, and these exist. A sweep asks for one
address after another, and most have no owner. Whether an address has an owner is known from
anything that its owner says, since answers to others are often not seen on a switched network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.parties import UNSPECIFIED
from phage.detect.tables import Distinct, Recent, Usual
from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.records import Observation

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_HOUR = 3600 * _SECOND

# Sources and targets that are remembered: a /22 of hosts that each ask for many.
_MOST_ASKERS = 1024
_MOST_TARGETS = 1024
_MOST_OWNERS = 8192

Target = tuple[int, str]
"""VLAN and address."""


@dataclass(slots=True)
class Asker:
    """One host that asks: the addresses without owner that it asked for in the last hour."""

    mac: str
    ip: str
    usual: Usual
    asked: Distinct[Target] = field(default_factory=lambda: Distinct(_MOST_TARGETS))
    every: Distinct[Target] = field(default_factory=lambda: Distinct(_MOST_TARGETS))
    requests: int = 0
    swept: int = 0
    """When it swept last."""
    is_further: bool = False
    """It asked for what it did not ask for in the last hour."""
    neighbour_discovery: bool = False


@frozen
class SweepLimits:
    """How many distinct addresses make a sweep; each field gives the reason in the detector."""

    fast: int
    slow: int
    answered: int
    router: int
    quiet: int
    """Nanoseconds after which a sweep is over."""


@frozen
class Sweep:
    """One asker's sweep as it stands."""

    asker: Asker
    unowned: tuple[str, ...]
    total: int
    first: int
    usual: float


class Sweeps:
    """All askers and all owners, bounded."""

    def __init__(self, limits: SweepLimits) -> None:
        self.limits = limits
        self._askers: Recent[str, Asker] = Recent(_MOST_ASKERS)
        self._owners: Recent[Target, int] = Recent(_MOST_OWNERS)

    @property
    def dropped(self) -> int:
        """How many askers and owners were dropped to stay under the caps."""
        return self._askers.dropped + self._owners.dropped

    def observe(self, observations: list[Observation], routers: frozenset[str]) -> list[Sweep]:
        """Take in a window's ARP and neighbour messages; return the sweeps that go on in it."""
        active: dict[str, Asker] = {}
        for seen in observations:
            self._note_owner(seen)
        for seen in observations:
            asker = self._note_question(seen)
            if asker is not None:
                active[asker.mac] = asker
        sweeps = []
        for mac, asker in active.items():
            now = max(seen.time for seen in observations)
            sweep = self._judge(asker, now, is_router=mac in routers)
            if sweep is not None:
                sweeps.append(sweep)
        return sweeps

    def _note_owner(self, seen: Observation) -> None:
        fields = seen.fields
        if seen.kind == "arp":
            owner = fields.get("sender_ip")
            claims = fields.get("probe") is not True
        else:
            owner = fields.get("target") if fields.get("kind") == "advertisement" else seen.src
            claims = True
        if claims and isinstance(owner, str) and owner not in {"", UNSPECIFIED, "::"}:
            self._owners.put((seen.vlan, owner), seen.time)

    def _note_question(self, seen: Observation) -> Asker | None:
        """Count a question; return who asked when it was about another host's address."""
        fields = seen.fields
        if seen.kind == "arp":
            if fields.get("operation") != "request" or fields.get("gratuitous") is True:
                return None
            # A probe asks whether an address is free before it is used (RFC 5227).
            if fields.get("probe") is True:
                return None
            target, ip = fields.get("target_ip"), fields.get("sender_ip")
        else:
            # A solicitation from the unspecified address detects duplicates (RFC 4862, section
            # 5.4).
            if fields.get("kind") != "solicitation" or seen.src in {"", "::"}:
                return None
            target, ip = fields.get("target"), seen.src
        if not isinstance(target, str) or not isinstance(ip, str) or target == ip:
            return None
        asker = self._askers.use(seen.src_mac)
        if asker is None:
            asker = self._askers.put(seen.src_mac, Asker(seen.src_mac, ip, Usual(seen.time)))
        asker.ip = ip
        asker.neighbour_discovery = seen.kind == "nd"
        place = (seen.vlan, target)
        since = seen.time - _HOUR
        if asker.swept and seen.time - asker.swept > self.limits.quiet:
            since = asker.swept + 1  # A sweep that is over is no evidence for another.
        asker.every.expire(since)
        asker.asked.expire(since)
        asker.requests += 1
        if asker.every.refresh(place, seen.time):
            asker.is_further = True
            asker.usual.add(seen.time)
        if place not in self._owners:
            asker.asked.add(place, seen.time)
        return asker

    def _judge(self, asker: Asker, now: int, *, is_router: bool) -> Sweep | None:
        limits = self.limits
        asked = asker.asked
        is_further, asker.is_further = asker.is_further, False
        smallest = limits.router if is_router else limits.fast
        if len(asked) < smallest and len(asker.every) < limits.answered:
            return None
        for place in [place for place in asked if place in self._owners]:
            asked.discard(place)
        usual = asker.usual.habit(now)
        recent = asked.since(now - _MINUTE)
        if is_router:
            swept = recent >= max(limits.router, 3 * usual)
        else:
            swept = (
                recent >= max(limits.fast, 2 * usual)
                or len(asked) >= max(limits.slow, 10 * usual)
                or asker.every.since(now - _MINUTE) >= max(limits.answered, 4 * usual)
            )
        # Who swept asks for the router like everybody else: that is not the sweep.
        if not swept or not (is_further or asker.every.since(now - _MINUTE) >= limits.fast):
            return None
        asker.swept = now
        asker.usual.forgive()
        targets = asker.every.times
        return Sweep(
            asker=asker,
            unowned=tuple(ip for _, ip in asked),
            total=len(targets),
            first=min(targets.values(), default=now),
            usual=usual,
        )
