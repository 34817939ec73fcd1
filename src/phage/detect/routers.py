"""Routers: the MAC addresses behind which others stand, learned with care.

A host that passes the packets of others on is marked as a router by the core. So is whoever has put
himself in between. Detectors ask less of routers, so a mark alone is not believed at all times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.rows import rows_of
from phage.records.address import format_mac

if TYPE_CHECKING:
    from collections.abc import Container

    from phage.records import Window

_HOUR = 3_600_000_000_000


@dataclass(slots=True)
class Routers:
    """Collects the routers of a network.

    A mark is believed while the network is being learned, and as long as no router is known;
    else after a day, unless the host has been named by a detector meanwhile. A router that was not
    marked for a month is forgotten.

    Fails where the first that passes packets on is an impostor who was there before phage.
    """

    probation_h: float = 24.0
    """Hours after which a new router is believed: longer than anybody stays in between unseen."""
    kept_h: float = 720.0
    """Hours for which one is kept that is not seen."""
    most: int = 64
    """Routers and candidates at most; a home has one or two."""
    dropped: int = field(default=0, init=False)

    known: frozenset[str] = field(default=frozenset(), init=False)
    """MAC addresses of the routers that are believed."""
    _first: dict[str, int] = field(default_factory=dict, init=False, repr=False)
    _last: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def take(self, window: Window, suspects: Container[str] = ()) -> None:
        """Take in a window; `suspects` are the MAC addresses that are named by findings."""
        marked = sorted(format_mac(mac) for mac in rows_of(window).routers)
        if not marked:
            return
        now = window.end
        known = {mac for mac in self.known if now - self._last[mac] <= self.kept_h * _HOUR}
        trusting = window.learning or not known
        for mac in marked:
            if mac in suspects and mac not in known:
                self._first.pop(mac, None)
                self._last.pop(mac, None)
                continue
            if mac not in self._first and len(self._first) >= self.most:
                self._make_room(known)
            since = self._first.setdefault(mac, now)
            self._last[mac] = now
            if trusting or now - since >= self.probation_h * _HOUR:
                known.add(mac)
        if known != self.known:
            self.known = frozenset(known)

    def _make_room(self, known: set[str]) -> None:
        oldest = min(self._last, key=lambda mac: (mac in known, self._last[mac], mac))
        del self._first[oldest], self._last[oldest]
        known.discard(oldest)
        self.dropped += 1
