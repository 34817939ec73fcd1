"""MISP by its REST interface: attributes that changed since the last time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from phage.intel.entries import Entries
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document, objects
from phage.intel.mispevents import take_attribute

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

PAGE = 5000
"""Attributes that are asked for at a time."""
MAX_PAGES = 400


@dataclass(slots=True)
class MispApi:
    """Attributes of an instance's published events that are marked for detection (to_ids).

    The instance leaves out what its own warning lists name.
    """

    name: ClassVar[str] = "mispapi"
    summary: ClassVar[str] = "MISP: an instance that you have a key for, by its REST interface."
    terms: ClassVar[str] = "Those of the events: mind their TLP."
    least_s: ClassVar[float] = 300.0

    url: str = ""
    """Address of the instance."""
    key_file: str = ""
    """File whose first line is the key (Authorization)."""
    pages: int = 100
    """Pages of 5,000 attributes to read at a time, at most."""
    confidence: int = 60
    """How sure the instance is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not self.url:
            return "url is not set"
        return "" if self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:
        """Ask and read. Raises FeedError."""
        headers = {
            "Authorization": read_key("", self.key_file),
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        entries = Entries(self.name, self.confidence)
        for page in range(1, min(self.pages, MAX_PAGES) + 1):
            asked: dict[str, object] = {
                "returnFormat": "json",
                "to_ids": True,
                "published": True,
                "deleted": False,
                "enforceWarninglist": True,
                "includeEventTags": True,
                "limit": PAGE,
                "page": page,
            }
            if since:
                asked["timestamp"] = str(since // 10**9)
            url = f"{self.url.rstrip('/')}/attributes/restSearch"
            body = json.dumps(asked).encode()
            answer = document(downloads.get(url, headers, body, conditional=False))
            found = objects(at(answer, "response.Attribute") or [], "response.Attribute")
            for item in found:
                take_attribute(entries, item, _event(item))
            if len(found) < PAGE:
                break
        return entries.harvest(replaces=not since)


def _event(item: dict[str, Any]) -> dict[str, Any]:
    event = item.get("Event")
    return event if isinstance(event, dict) else {}
