"""What routes and pages of feeds have in common: names, keys, and what feeds have brought."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from phage.store.repositories.findings import FindingFilter

if TYPE_CHECKING:
    from phage.store.store import Store

HITS = 1000
"""Findings among which those that name a feed are counted."""

FEED_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

FEED_KEY = r"^[!-~]{0,1024}$"
"""A key as it is pasted: ASCII without spaces."""


def feed_hits(store: Store) -> Counter[str]:
    """Count the latest findings by the feeds that they name."""
    found: Counter[str] = Counter()
    for detector in ("intelmatch", "retrohunt"):
        for finding in store.findings.list(FindingFilter(detector=detector), HITS):
            feeds = finding.evidence.get("feeds")
            found.update(map(str, feeds) if isinstance(feeds, list | tuple) else ())
    return found
