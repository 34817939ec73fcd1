"""Arithmetic of services: joined, taken out of each other, in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.policy.services import ICMP, ICMPV6, PORTED
from phage.records.packetrule import Service

if TYPE_CHECKING:
    from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
_PROTOCOLS = range(256)


def highest_of(protocol: int) -> int:
    """Return the highest port, or type of message, of a protocol; 0 where it has none."""
    if protocol in PORTED:
        return 65_535
    return 255 if protocol in {ICMP, ICMPV6} else 0


def normal(services: Iterable[Service]) -> tuple[Service, ...]:
    """Return the fewest services that mean the same, in order."""
    return _services(_by_protocol(services))


def without(services: tuple[Service, ...], excluded: Iterable[Service]) -> tuple[Service, ...]:
    """Return services less others; () is what is left where nothing is.

    Args:
        services: From these; () for any.
        excluded: What is taken out.
    """
    wanted = _by_protocol(services) if services else {number: _all(number) for number in _PROTOCOLS}
    unwanted = _by_protocol(excluded)
    return _services(
        {
            protocol: _common(ranges, _gaps(unwanted.get(protocol, ()), highest_of(protocol)))
            for protocol, ranges in wanted.items()
        }
    )


def common(first: tuple[Service, ...], second: tuple[Service, ...]) -> tuple[Service, ...]:
    """Return what is in both; a first of () is any service."""
    if not first:
        return normal(second)
    one, other = _by_protocol(first), _by_protocol(second)
    return _services(
        {number: _common(one[number], other[number]) for number in one.keys() & other.keys()}
    )


def covers(first: tuple[Service, ...], second: tuple[Service, ...]) -> bool:
    """Tell whether all of the second is in the first; () is any service."""
    if not first:
        return True
    if not second:
        return all(_by_protocol(first).get(number) == _all(number) for number in _PROTOCOLS)
    one = _by_protocol(first)
    return all(
        any(start <= low and high <= end for start, end in one.get(protocol, ()))
        for protocol, ranges in _by_protocol(second).items()
        for low, high in ranges
    )


def _all(protocol: int) -> Ranges:
    return ((0, highest_of(protocol)),)


def _by_protocol(services: Iterable[Service]) -> dict[int, Ranges]:
    found: dict[int, list[tuple[int, int]]] = {}
    for service in services:
        found.setdefault(service.protocol, []).extend(service.ports or _all(service.protocol))
    return {protocol: joined(ranges) for protocol, ranges in found.items()}


def _services(ranges: dict[int, Ranges]) -> tuple[Service, ...]:
    return tuple(
        Service(protocol, () if ranges[protocol] == _all(protocol) else ranges[protocol])
        for protocol in sorted(ranges)
        if ranges[protocol]
    )


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the fewest ranges that mean the same, in order."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return tuple(result)


def _gaps(ranges: Ranges, highest: int) -> Ranges:
    """Return what lies between joined ranges, from 0 to the highest."""
    gaps, low = [], 0
    for start, end in ranges:
        if start > low:
            gaps.append((low, start - 1))
        low = end + 1
    if low <= highest:
        gaps.append((low, highest))
    return tuple(gaps)


def _common(first: Ranges, second: Ranges) -> Ranges:
    return joined(
        (max(low, start), min(high, end))
        for low, high in first
        for start, end in second
        if low <= end and start <= high
    )
