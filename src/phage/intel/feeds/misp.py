"""MISP feeds: a folder of events with a list of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from phage.intel.entries import Entries
from phage.intel.feed import FeedError
from phage.intel.jsontext import at, document
from phage.intel.mispevents import take_event

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

_UUID = re.compile(r"[0-9a-fA-F-]{36}")


@dataclass(slots=True)
class Misp:
    """Events that changed since the last time; of each what is marked for detection (to_ids)."""

    name: ClassVar[str] = "misp"
    summary: ClassVar[str] = "MISP: a feed directory (manifest.json and events), such as CIRCL's."
    terms: ClassVar[str] = "Those of the feed; CIRCL's is TLP:CLEAR."
    least_s: ClassVar[float] = 900.0

    url: str = ""
    """Address of the folder."""
    events: int = 200
    """Events to get at a time, the newest first."""
    confidence: int = 60
    """How sure the feed is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url else "url is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:
        """Get and read. Raises FeedError and Unchanged."""
        base = self.url.rstrip("/")
        manifest = document(downloads.get(f"{base}/manifest.json"))
        if not isinstance(manifest, dict):
            message = "manifest.json is no object"
            raise FeedError(message)
        known = [
            (_time(about), uuid)
            for uuid, about in manifest.items()
            if isinstance(about, dict) and _UUID.fullmatch(uuid)
        ]
        newest = sorted((each for each in known if each[0] * 10**9 > since), reverse=True)
        entries = Entries(self.name, self.confidence)
        for _, uuid in newest[: self.events]:
            event = at(document(downloads.get(f"{base}/{uuid}.json", conditional=False)), "Event")
            if isinstance(event, dict):
                take_event(entries, event)
        return entries.harvest(replaces=not since)


def _time(about: dict[str, Any]) -> int:
    text = str(about.get("timestamp", "0"))
    return int(text[:12]) if text.isdecimal() else 0
