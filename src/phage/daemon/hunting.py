"""Looks what feeds say anew up in what is stored, and tells what it finds as events."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from phage.intel.catalog import together
from phage.intel.hunt import Trace, listed_addresses, trace_flows, trace_sightings
from phage.records import LogEvent, LogKind
from phage.store.repositories.findings import FindingFilter
from phage.store.repositories.flows import FlowFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.clock import Clock
    from phage.collect.logs.told import ToldFeed
    from phage.intel.catalog import Catalog
    from phage.store.store import Store

_log = logging.getLogger(__name__)

LEAST = 25
"""Confidence (0 to 100) below which a trace is not told, as in the detector `intelmatch`."""

MOST_TRACES = 1000
"""Traces that one hunt tells; a feed that lists half of the internet tells nobody anything."""

MOST_FLOWS = 1000
"""Flows of one address that are looked at, the latest."""

MOST_TOLD = 50_000
"""Pairs of device and value that are not told again."""

_TELLING = ("intelmatch", "retrohunt")


@dataclass
class RetroHunt:
    """Hunts when feeds say something new. For one thread.

    Attributes:
        feed: Takes the events.
        clock: Tells the time.
        seconds: How far back it looks; 0 for never.
        left_out: Traces beyond MOST_TRACES.
    """

    feed: ToldFeed
    clock: Clock
    seconds: float
    left_out: int = 0
    _before: Catalog | None = field(default=None, init=False, repr=False)
    _told: OrderedDict[tuple[str, str], None] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def hunt(self, catalog: Catalog, store: Store) -> int:
        """Look up what is new in a catalog; return how many traces were told. Raises StoreError.

        The first catalog after a start is new as a whole, but for what findings told already.
        """
        if not self.seconds:
            return 0
        if self._before is None:
            self._remember(store)
        since = self.clock.now() - int(self.seconds * 1e9)
        traces = chain(
            self._among_addresses(catalog, store, since),
            trace_sightings(catalog, self._before, store.sightings.since(since)),
        )
        wanted = (each for each in traces if self._is_news(each))
        events = [_event(each) for each in islice(wanted, MOST_TRACES)]
        rest = sum(1 for _ in wanted)
        self.left_out += rest
        self._before = catalog
        if events:
            _log.info("%d devices had to do with new indicators before", len(events) + rest)
            self.feed.tell(events)
        return len(events)

    def _among_addresses(self, catalog: Catalog, store: Store, since: int) -> Iterator[Trace]:
        for page in store.flows.addresses(since):
            for address, mentions in listed_addresses(catalog, self._before, page):
                wanted = FlowFilter(host=address, since=since)
                yield from trace_flows(address, mentions, store.flows.list(wanted, MOST_FLOWS))

    def _is_news(self, trace: Trace) -> bool:
        if together([each.confidence for each in trace.mentions]) < LEAST:
            return False
        key = (trace.device, trace.value)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > MOST_TOLD:
            self._told.popitem(last=False)
        return True

    def _remember(self, store: Store) -> None:
        """Take over what findings of earlier days told."""
        for detector in _TELLING:
            for finding in store.findings.list(FindingFilter(detector=detector), MOST_TOLD):
                seen = finding.evidence.get("seen")
                value = seen if isinstance(seen, str) else ""
                if finding.evidence.get("direction") == "from":
                    for peer in finding.peers:
                        self._told[peer.mac or peer.ip, finding.subject.ip] = None
                self._told[finding.subject.device, value] = None


def _event(trace: Trace) -> LogEvent:
    best = max(trace.mentions, key=lambda each: (each.confidence, each.feed))
    is_address = best.kind == "network"
    return LogEvent(
        LogKind.REMEMBERED,
        trace.last_seen,
        source="store",
        service="retrohunt",
        address=trace.ip,
        spoofable=is_address and not trace.answered,
        fields={
            "mac": trace.device if trace.device != trace.ip else "",
            "value": trace.value,
            "indicator": best.value,
            "indicator_kind": str(best.kind),
            "feeds": tuple(dict.fromkeys(each.feed for each in trace.mentions)),
            "confidence": together([each.confidence for each in trace.mentions]),
            "description": best.description or ", ".join(best.tags),
            "first": trace.first_seen,
            "times": trace.times,
            "way": "name" if not is_address else "to" if trace.began_here else "from",
        },
    )
