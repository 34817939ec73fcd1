"""MISP feeds: a folder of events with a list of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from phage.intel.entries import KINDS, Entries
from phage.intel.feed import FeedError
from phage.intel.jsontext import at, document, objects

if TYPE_CHECKING:
    from collections.abc import Iterator

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
                _take(entries, event)
        return entries.harvest(replaces=not since)


def _time(about: dict[str, Any]) -> int:
    text = str(about.get("timestamp", "0"))
    return int(text[:12]) if text.isdecimal() else 0


def _take(entries: Entries, event: dict[str, Any]) -> None:
    tags = [str(tag.get("name")) for tag in objects(event.get("Tag") or [], "Tag")]
    tlp = next((tag[4:] for tag in tags if tag.lower().startswith("tlp:")), "clear")
    for item in _attributes(event):
        kind = KINDS.get(str(item.get("type")).partition("|")[0].lower())
        if kind is None or item.get("to_ids") is not True:
            continue
        entries.add(
            str(item.get("value")).partition("|")[0],
            kind,
            first=str(item.get("timestamp") or ""),
            tags=tags,
            description=event.get("info"),
            tlp=tlp,
        )


def _attributes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from objects(event.get("Attribute") or [], "Attribute")
    for each in objects(event.get("Object") or [], "Object"):
        yield from objects(each.get("Attribute") or [], "Attribute")
