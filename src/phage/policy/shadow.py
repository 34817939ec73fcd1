"""Rules that are never asked, since an earlier one decides about everything they match."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.policy.meaning.matching import set_of
from phage.policy.meaning.servicesets import covers as covers_services
from phage.policy.networks import overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.policy.ruleset import Conditions
    from phage.records.packetrule import Addresses, Network, PacketRule

Key = tuple[object, ...]
_ANY: Key = ("any",)
_BUCKET = 10
"""Ranges of ports are kept under each 1,024 ports that they touch."""

ANYBODY = (((), ()),)
"""The pairs of a match that names nobody."""


@dataclass
class ShapeIndex:
    """Conditions of earlier rules, found by what a condition that they cover must have.

    A condition is kept under its sources, else its destinations, else its services: a rule set of
    thousands is not compared each with each.
    """

    _kept: dict[Key, list[tuple[int, PacketRule]]] = field(default_factory=dict)
    _lengths: set[tuple[str, int, int]] = field(default_factory=set)

    def add(self, number: int, shape: PacketRule) -> None:
        """Keep one condition of the rule with a number."""
        for key in self._keys(shape):
            self._kept.setdefault(key, []).append((number, shape))

    def cover(self, shape: PacketRule) -> set[int]:
        """Return the numbers of the rules that have a condition which covers this one."""
        return {
            number
            for key in self._asked(shape)
            for number, earlier in self._kept.get(key, ())
            if covers(earlier, shape)
        }

    def _keys(self, shape: PacketRule) -> Iterator[Key]:
        for side, addresses in (("source", shape.source), ("destination", shape.destination)):
            if addresses.networks or addresses.sets:
                for network in addresses.networks:
                    self._lengths.add((side, network.version, network.prefixlen))
                    yield _network_key(side, network, network.prefixlen)
                yield from ((side, name) for name in addresses.sets)
                return
        yield from _service_keys(shape)

    def _asked(self, shape: PacketRule) -> Iterator[Key]:
        for side, addresses in (("source", shape.source), ("destination", shape.destination)):
            if addresses.networks:
                first = addresses.networks[0]
                for kept, version, length in self._lengths:
                    if kept == side and version == first.version and length <= first.prefixlen:
                        yield _network_key(side, first, length)
            elif addresses.sets:
                yield side, addresses.sets[0]
        yield _ANY
        for service in shape.services[:1]:
            yield "service", service.protocol
            for low, _ in service.ports[:1]:
                yield "port", service.protocol, low
                yield "ports", service.protocol, low >> _BUCKET


def _network_key(side: str, network: Network, length: int) -> Key:
    shift = network.max_prefixlen - length
    return side, network.version, length, int(network.network_address) >> shift


def _service_keys(shape: PacketRule) -> Iterator[Key]:
    if not shape.services:
        yield _ANY
    for service in shape.services:
        if not service.ports:
            yield "service", service.protocol
        for low, high in service.ports:
            if low == high:
                yield "port", service.protocol, low
            else:
                for bucket in range(low >> _BUCKET, (high >> _BUCKET) + 1):
                    yield "ports", service.protocol, bucket


def covers(first: PacketRule, second: PacketRule) -> bool:
    """Tell whether every packet that meets the second's conditions meets the first's."""
    return (
        first.hooks >= second.hooks
        and not first.connections
        and _holds_all(first.source_macs, second.source_macs)
        and _holds_all(first.in_interfaces, second.in_interfaces)
        and _holds_all(first.out_interfaces, second.out_interfaces)
        and _holds_all(first.vlans, second.vlans)
        and covers_services(first.services, second.services)
        and _covers_ports(first.source_ports, second.source_ports)
        and _covers_addresses(first.source, second.source)
        and _covers_addresses(first.destination, second.destination)
    )


def _holds_all(first: Sequence[object], second: Sequence[object]) -> bool:
    return not first or (bool(second) and set(first) >= set(second))


def _covers_ports(first: Iterable[tuple[int, int]], second: Sequence[tuple[int, int]]) -> bool:
    ranges = tuple(first)
    return not ranges or (
        bool(second)
        and all(any(low <= start and end <= high for low, high in ranges) for start, end in second)
    )


def _covers_addresses(first: Addresses, second: Addresses) -> bool:
    if not set(first.excluded_sets) <= set(second.excluded_sets):
        return False
    if first.excluded and not _are_out(first.excluded, second):
        return False
    if not first.networks and not first.sets:
        return True
    if not second.networks and not second.sets:
        return False
    if not set(second.sets) <= set(first.sets):
        return False
    known = set_of(first.networks)
    return all(known.covers(network) for network in second.networks)


def _are_out(excluded: tuple[Network, ...], addresses: Addresses) -> bool:
    """Tell whether none of these networks is meant by addresses."""
    known = set_of(addresses.excluded)
    return all(
        known.covers(hole)
        or (
            bool(addresses.networks)
            and not addresses.sets
            and not any(overlap(hole, network) for network in addresses.networks)
        )
        for hole in excluded
    )


def covers_findings(first: Conditions, second: Conditions) -> bool:
    """Tell whether every finding that meets the second's conditions meets the first's."""
    one, other = first.match, second.match
    return (
        (not one.findings or "any" in one.findings or _holds_all(one.findings, other.findings))
        and (
            one.severity is None
            or (other.severity is not None and one.severity.rank <= other.severity.rank)
        )
        and (one.score is None or (other.score is not None and one.score <= other.score))
        and first.pairs in {ANYBODY, second.pairs}
        and _are_among(first, second)
        and _holds_all(tuple(one.ways), tuple(other.ways))
        and covers_services(first.services, second.services)
        and covers_times(first, second)
    )


def _are_among(first: Conditions, second: Conditions) -> bool:
    """Tell whether all that the first excludes is excluded by the second too."""
    return (
        set(first.not_source) <= set(second.not_source)
        and set(first.not_destination) <= set(second.not_destination)
        and set(first.not_services) <= set(second.not_services)
        and set(first.not_findings) <= set(second.not_findings)
    )


def covers_times(first: Conditions, second: Conditions) -> bool:
    """Tell whether the first is asked whenever the second is, as far as windows are the same."""
    return _holds_all(first.times, second.times) and set(first.not_times) <= set(second.not_times)
