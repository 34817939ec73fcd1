"""Hashes of files that threat feeds list, as the list of the engine `feedhash`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from phage.records.indicator import Indicator, IndicatorKind
from phage.scan import digests
from phage.scan.engines.feedhash import LIST
from phage.scan.engineset import definitions_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from phage.records.feedstate import FeedState

OWN = "own"
"""The feed of what a person imported; it has no state."""

LEAST_CONFIDENCE = 50
"""Hashes of less sure sources are no verdict."""


class Indicators(Protocol):
    """What feeds have told; see `phage.store.repositories.indicators`."""

    def states(self) -> Mapping[str, FeedState]:
        """Return the feeds by name."""

    def of(self, feed: str) -> Iterable[Indicator]:
        """Return the indicators of a feed."""


def write_feed_hashes(indicators: Indicators, engines: Path) -> int:
    """Write what feeds list, where a feed is newer than the list; return how many hashes there are.

    0 when nothing had to be written.
    """
    states = indicators.states()
    folder = definitions_folder(engines, "feedhash")
    written = (folder / f"{LIST}.json").stat().st_mtime_ns if folder.is_dir() else 0
    own = [each for each in indicators.of(OWN) if each.kind is IndicatorKind.HASH]
    newest = max((state.updated for state in states.values()), default=0)
    if written and newest <= written and not any(each.last_seen > written for each in own):
        return 0
    found = sorted(
        (each.value, f"{each.description or 'listed'} ({each.feed})")
        for each in (*own, *(each for name in states for each in indicators.of(name)))
        if each.kind is IndicatorKind.HASH and each.confidence >= LEAST_CONFIDENCE
    )
    return digests.write(folder, LIST, found) if found or written else 0
