"""EVE's stats events: Suricata's names for what both count, and all that phage counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.telemetry.eve import Event, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping


def stats_event(time: int, uptime: int, counters: Mapping[str, int]) -> Event:
    """Return the event of the totals since the start.

    `counters` are the core's, by dotted name ("source.dropped"); they stand below `phage`, as they
    are. Suricata's own counters (user guide, "Statistics") stand where it has them.
    """
    packets, dropped = counters.get("packets", 0), counters.get("source.dropped", 0)
    malformed = (count for name, count in counters.items() if name.startswith("malformed."))
    return {
        "timestamp": timestamp(time),
        "event_type": "stats",
        "stats": {
            "uptime": uptime,
            "capture": {"kernel_packets": packets + dropped, "kernel_drops": dropped},
            "decoder": {
                "pkts": packets,
                "bytes": counters.get("octets", 0),
                "invalid": sum(malformed),
            },
            "flow": {
                "total": counters.get("flows.started", 0),
                "active": counters.get("flows.live", 0),
            },
            "phage": _nested(counters),
        },
    }


def _nested(counters: Mapping[str, int]) -> Event:
    """Return counters as objects in objects, by the parts of their names."""
    nested: Event = {}
    for name, value in sorted(counters.items()):
        *above, last = name.split(".")
        place = nested
        for part in above:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                below = place[part] = {"total": below}
            place = below
        place[last] = value
    return nested
