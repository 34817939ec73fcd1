"""Sanity of feeds: what is held back whole, and what is left out of them.

Real lists name public resolvers, mail senders and content networks by the hundred, and any list may
one day hold 0.0.0.0/0: whoever blocks by it blocks himself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.intel.networks import Networks, parse_networks
from phage.intel.wellknown import SPECIAL, WELL_KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    Chosen = npt.NDArray[np.bool_]

SHORTEST = {4: 8, 6: 19}
"""Shorter prefixes are no indicator: the largest real allocations have these lengths."""

SHRINK = 0.1
"""A feed with less than this part of what it had is held back."""

SMALL = 50
"""Feeds up to this many entries may shrink as they like."""

STRAY = 0.001
"""Private addresses up to this part of a feed are left out; beyond, the feed is held back."""

SHOWN = 20


@frozen
class Verdict:
    """What may be used of a feed, and what was left out and why.

    `held` says why nothing of it may be used; '' when it may. `left_out` counts by reason,
    `examples` shows some of each.
    """

    networks: Networks
    held: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)


@frozen
class Guard:
    """Judges networks of a feed.

    Attributes:
        own: Networks that are ours and reachable from outside: a feed that lists one is held back.
        known: Well-known services by name, as networks.
        tolerant: The feed lists private and unassigned networks on purpose: they are left out.
    """

    own: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: WELL_KNOWN)
    tolerant: bool = False

    def judge(self, networks: Networks, before: int = 0, others: int = 0) -> Verdict:
        """Judge the networks of a feed that had `before` entries; `others` are no networks."""
        total = len(networks) + others
        if not total:
            return Verdict(networks, "it is empty" if before else "")
        if before > SMALL and total < before * SHRINK:
            return Verdict(networks, f"it shrank from {before} entries to {total}")
        return self._sifted(networks)

    def _sifted(self, networks: Networks) -> Verdict:
        spans = _Spans(networks)
        left = np.ones(len(networks), np.bool_)
        counts: dict[str, int] = {}
        examples: dict[str, Sequence[str]] = {}

        def leave(reason: str, chosen: Chosen) -> int:
            chosen &= left
            if count := int(chosen.sum()):
                counts[reason] = counts.get(reason, 0) + count
                examples[reason] = networks.select(chosen).texts(SHOWN)
                left[chosen] = False
            return count

        leave("too short a prefix", _too_short(networks))
        public = [each for each in self.own if ipaddress.ip_network(each).is_global]
        own = _meeting(spans, _ranges(tuple(public)))
        if (own & left).any():
            held = f"it lists our own address {networks.select(own & left).texts(1)[0]}"
            return Verdict(networks, held)
        strays = leave("private or not assigned", _meeting(spans, _ranges(SPECIAL)))
        if not self.tolerant and strays > max(3, STRAY * len(networks)):
            shown = ", ".join(examples["private or not assigned"][:3])
            held = f"it lists {strays} private or unassigned addresses, such as {shown}"
            return Verdict(networks, held, counts, examples)
        for name, ranges in self.known.items():
            leave(name, _meeting(spans, _ranges(ranges)))
        return Verdict(networks.select(left), "", counts, examples)


def _too_short(networks: Networks) -> Chosen:
    narrow = networks.is_v4
    shortest = np.where(narrow, SHORTEST[4] + 96, SHORTEST[6])
    found: Chosen = networks.lengths < shortest
    return found


def overlapping(networks: Networks, ranges: Iterable[str]) -> Chosen:
    """Return which networks hold an address of one of some ranges, or lie in it.

    IPv6 ranges longer than /64 count as /64.
    """
    return _meeting(_Spans(networks), _Spans(parse_networks(tuple(ranges))))


@lru_cache(maxsize=64)
def _ranges(texts: tuple[str, ...]) -> _Spans:
    return _Spans(parse_networks(texts))


class _Spans:
    """First and last address of each network: the low half of IPv4, the high half of IPv6."""

    def __init__(self, networks: Networks) -> None:
        self.first, self.last = _span(networks.octets, networks.lengths)
        self.narrow = networks.is_v4


def _meeting(spans: _Spans, ranges: _Spans) -> Chosen:
    found = np.zeros(len(spans.first), np.bool_)
    for kind in (True, False):
        asked = np.flatnonzero(spans.narrow == kind)
        of_kind = ranges.narrow == kind
        starts, ends = ranges.first[of_kind], ranges.last[of_kind]
        if not len(asked) or not len(starts):
            continue
        # Of the ranges that begin before the end of a network one has to end behind its beginning.
        order = np.argsort(starts, kind="stable")
        reach = np.maximum.accumulate(ends[order])
        before = np.searchsorted(starts[order], spans.last[asked], side="right")
        met = reach[np.maximum(before, 1) - 1] >= spans.first[asked]
        found[asked] = met & (before > 0)
    return found


def _span(
    octets: npt.NDArray[np.uint8], lengths: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return first and last address of each: the low half of IPv4, the high half of IPv6."""
    if not len(lengths):
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    words = np.ascontiguousarray(octets).view(">u8").astype(np.uint64)
    narrow = (words[:, 0] == 0) & (words[:, 1] >> np.uint64(32) == 0xFFFF) & (lengths >= 96)
    value: npt.NDArray[np.uint64] = np.where(narrow, words[:, 1], words[:, 0])
    free = np.where(narrow, 128, 64) - lengths.astype(np.int64)
    # A shift by all 64 bits is not defined: ::/0 ends at the last address.
    ones = np.uint64(1) << np.clip(free, 0, 63).astype(np.uint64)
    host: npt.NDArray[np.uint64] = ones - np.uint64(1)
    host[free >= 64] = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
    return value & ~host, value | host
