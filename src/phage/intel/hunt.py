"""Retro-hunt: what feeds say today is looked up in what was seen in the last days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.records.address import parse_address
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.intel.catalog import Catalog
    from phage.records.flow import Flow
    from phage.records.indicator import Mention
    from phage.records.sighting import Sighting

_NOTHING = 0xFFFF_FFFF


@frozen
class Trace:
    """What one device had to do with one indicator before it was one.

    Attributes:
        device: The device: its MAC address, else its address.
        ip: Its address.
        value: What was met: an address, a domain, a fingerprint.
        mentions: Who lists it.
        first_seen: Nanoseconds since the Unix epoch; so is `last_seen`.
        last_seen: When last.
        times: How often.
        began_here: The device turned to it, and not the other way round.
        answered: Packets went both ways.
    """

    device: str
    ip: str
    value: str
    mentions: tuple[Mention, ...]
    first_seen: int
    last_seen: int
    times: int
    began_here: bool = True
    answered: bool = True


def listed_addresses(
    catalog: Catalog, before: Catalog | None, addresses: Sequence[str]
) -> Iterator[tuple[str, tuple[Mention, ...]]]:
    """Yield the addresses that a catalog lists and the one before did not, and who lists them.

    All are asked at once, some millions a second.
    """
    if not addresses:
        return
    packed = b"".join(map(parse_address, addresses))
    answers = np.frombuffer(catalog.prefixes.lookup_all(packed), "<u4")
    for number in np.flatnonzero(answers != _NOTHING).tolist():
        raw = packed[16 * number : 16 * number + 16]
        mentions = catalog.address(raw)
        new = _new(mentions, before.address(raw) if before is not None else ())
        if new:
            yield addresses[number], new


def trace_sightings(
    catalog: Catalog, before: Catalog | None, sightings: Iterable[Sighting]
) -> Iterator[Trace]:
    """Yield the sightings that a catalog lists and the one before did not."""
    for each in sightings:
        mentions = _asked(catalog, each)
        if mentions and (new := _new(mentions, _asked(before, each) if before else ())):
            yield Trace(
                each.device, each.ip, each.value, new, each.first_seen, each.last_seen, each.times
            )


def trace_flows(
    address: str, mentions: tuple[Mention, ...], flows: Iterable[Flow]
) -> Iterator[Trace]:
    """Yield a trace for each host that had flows with an address."""
    found: dict[tuple[str, bool], Trace] = {}
    for flow in flows:
        began_here = flow.dst == address
        ip, mac = (flow.src, flow.src_mac) if began_here else (flow.dst, flow.dst_mac)
        key = (ip, began_here)
        known = found.get(key)
        found[key] = Trace(
            mac or ip,
            ip,
            address,
            mentions,
            min(flow.start, known.first_seen) if known else flow.start,
            max(flow.last, known.last_seen) if known else flow.last,
            (known.times if known else 0) + 1,
            began_here,
            bool(flow.packets[1]) or (known.answered if known else False),
        )
    yield from found.values()


def _asked(catalog: Catalog, each: Sighting) -> tuple[Mention, ...]:
    if each.kind is IndicatorKind.DOMAIN:
        return catalog.domain(each.value)
    return catalog.value(each.kind, each.value)


def _new(now: tuple[Mention, ...], before: tuple[Mention, ...]) -> tuple[Mention, ...]:
    """Return what is said now, if somebody says it who did not."""
    known = {each.feed for each in before}
    return now if any(each.feed not in known for each in now) else ()
