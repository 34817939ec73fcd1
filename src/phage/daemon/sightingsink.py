"""Hands names and fingerprints of devices to the store: added up, bounded, once a minute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.intel.seen import Shown, shown
from phage.records.indicator import IndicatorKind
from phage.records.sighting import Sighting
from phage.store.repositories.counters import minute_of

if TYPE_CHECKING:
    from phage.policy.desk import Outcome
    from phage.records import Finding, Observation, Window
    from phage.store.writer import Writer

MAX_COUNTED = 4096
"""Sightings of a minute; further ones are counted in `left_out`."""

LONGEST = 253
"""Characters of a domain (RFC 1035, section 2.3.4)."""

_NOTED = frozenset({IndicatorKind.DOMAIN, IndicatorKind.JA4, IndicatorKind.CERTIFICATE})
"""Kinds that are kept; what people ask web servers for is nobody's business days later."""


class SightingSink:
    """Notes which domains devices ask for and call, how their TLS looks (JA4), whom it trusts."""

    def __init__(self, writer: Writer) -> None:
        self.left_out = 0
        self._writer = writer
        self._minute = 0
        self._seen: dict[tuple[IndicatorKind, str, str], Sighting] = {}

    def window(self, window: Window) -> None:
        """Note what a window shows; hand over what was noted when its minute is another."""
        minute = minute_of(window.end)
        if minute != self._minute:
            self._flush()
            self._minute = minute
        for observation in window.observations:
            for each in shown(observation):
                if each.kind in _NOTED and len(each.value) <= LONGEST:
                    self._note(observation, each)

    def _note(self, seen: Observation, what: Shown) -> None:
        kind, value, by_server = what
        ip, mac = (seen.dst, seen.dst_mac) if by_server else (seen.src, seen.src_mac)
        device = mac or ip
        key = (kind, value, device)
        known = self._seen.get(key)
        if known is not None:
            self._seen[key] = replace(known, last_seen=seen.time, times=known.times + 1)
        elif len(self._seen) < MAX_COUNTED:
            self._seen[key] = Sighting(kind, value, device, ip, seen.time, seen.time)
        else:
            self.left_out += 1

    def _flush(self) -> None:
        if self._seen:
            self._writer.sightings(self._seen.values())
            self._seen = {}

    def decided(self, outcome: Outcome) -> None:
        """Decisions are no sightings."""

    def finding(self, finding: Finding) -> None:
        """Findings are no sightings."""

    def close(self) -> None:
        """Hand over what is left."""
        self._flush()
