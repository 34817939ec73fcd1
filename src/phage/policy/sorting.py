"""Addresses in classes: those that no rule of some rule sets can tell apart.

A million flows are asked about the rules once for each pair of classes and service, not a million
times.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from phage.policy.evaluate import LIFELINES_ANYWHERE, LIFELINES_AT_ROUTER
from phage.policy.meaning.matching import Party, Scene
from phage.policy.networks import NetworkSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.policy.facts import Facts
    from phage.policy.meaning.matching import SidesMatcher, TermsMatcher
    from phage.policy.ruleset import Conditions, RuleSet

LIFELINES = (*LIFELINES_ANYWHERE, *LIFELINES_AT_ROUTER)
"""Services that a device in quarantine keeps."""

MAX_REMEMBERED = 200_000
"""Addresses whose class is remembered: some 40 MB. More are asked about anew."""


class PortClasses:
    """Sorts ports into classes that no rule tells apart, by the ends of the ranges that rules name.

    Args:
        ranges: All ranges that are named, both ends included.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._edges = sorted({edge for low, high in ranges for edge in (low, high + 1)})

    def number(self, port: int) -> int:
        """Return the class of a port."""
        return bisect.bisect_right(self._edges, port)


def destination_ports(rulesets: Iterable[RuleSet]) -> PortClasses:
    """Return the classes of destination ports, and of types of ICMP."""
    return PortClasses(
        ends
        for conditions in _conditions(rulesets)
        for service in (*conditions.services, *conditions.not_services, *LIFELINES)
        for ends in service.ports
    )


def source_ports(rulesets: Iterable[RuleSet]) -> PortClasses:
    """Return the classes of source ports."""
    return PortClasses(
        ends for conditions in _conditions(rulesets) for ends in conditions.match.source_ports
    )


def _conditions(rulesets: Iterable[RuleSet]) -> Iterator[Conditions]:
    for ruleset in rulesets:
        for ready in ruleset.packet_rules:
            yield ready.conditions


class PartyClasses:
    """Sorts parties into classes, each with one member that stands for all.

    Args:
        rulesets: The rule sets that are to be asked.
        facts: What is known of the world; it must not change while this is used.
    """

    def __init__(self, rulesets: Iterable[RuleSet], facts: Facts) -> None:
        self._facts = facts
        self._scene = Scene(facts)
        self._protected = NetworkSet(facts.protected)
        self._gateways = NetworkSet(facts.gateways)
        self._matchers = _matchers(rulesets)
        self._numbers: dict[tuple[bool, ...], int] = {}
        self._members: list[Party] = []
        self._remembered: dict[tuple[str, str], int] = {}

    def number(self, ip: str, mac: str = "") -> int:
        """Return the class of an address; its MAC address counts only on our own link."""
        found = self._remembered.get((ip, mac))
        if found is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
                self._scene = Scene(self._facts)  # It remembers devices.
            found = self._remembered[ip, mac] = self._sort(ip, mac)
        return found

    def member(self, number: int) -> Party:
        """Return the party that stands for a class."""
        return self._members[number]

    def is_local(self, number: int) -> bool:
        """Tell whether the addresses of a class are ours."""
        return self._scene.is_local(self._members[number])

    def _sort(self, ip: str, mac: str) -> int:
        party = Party(ip, mac)
        if mac and not self._scene.is_local(party):
            party = Party(ip)  # The MAC address is that of the router it came by.
        address, scene = party.address, self._scene
        signature = (
            address is None,
            scene.is_local(party),
            scene.is_own(party),
            address is not None and address in self._protected,
            address is not None and address in self._gateways,
            *(matcher.holds(party, scene) for matcher in self._matchers),
        )
        number = self._numbers.setdefault(signature, len(self._members))
        if number == len(self._members):
            self._members.append(party)
        return number


def _matchers(rulesets: Iterable[RuleSet]) -> tuple[SidesMatcher | TermsMatcher, ...]:
    """Return all that rules about packets ask of an address, what is the same but once."""
    found: dict[object, SidesMatcher | TermsMatcher] = {}
    for ruleset in rulesets:
        for ready in ruleset.packet_rules:
            conditions = ready.conditions
            found.setdefault(("not", conditions.not_source), ready.not_source)
            found.setdefault(("not", conditions.not_destination), ready.not_destination)
            for sides in ready.pairs:
                for side in sides:
                    found.setdefault(side.sides, side)
    return tuple(found.values())
