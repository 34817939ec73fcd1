"""AlienVault OTX: pulses of the community, as they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode, urlsplit

from phage.clock import rfc3339
from phage.intel.entries import KINDS, Entries
from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document, objects

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

MAX_PAGES = 500


@dataclass(slots=True)
class Otx:
    """Pulses that were made or changed since the last time, page by page.

    The list of subscribed pulses fails since years (it answers 504); the activity has the same.
    """

    name: ClassVar[str] = "otx"
    summary: ClassVar[str] = "AlienVault OTX: pulses of those you subscribe to."
    terms: ClassVar[str] = "The community's data; needs a key."
    least_s: ClassVar[float] = 900.0

    url: str = "https://otx.alienvault.com/api/v1/pulses/activity"
    """Where the API is."""
    key_file: str = ""
    """File whose first line is the key (X-OTX-API-KEY)."""
    pages: int = 20
    """Pages of 50 pulses to read at a time, at most."""
    confidence: int = 50
    """How sure pulses are, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:
        """Ask and read. Raises FeedError."""
        query = {"limit": "50", "page": "1"}
        if since:
            query["modified_since"] = rfc3339(since)
        url = f"{self.url}?{urlencode(query)}"
        entries = Entries(self.name, self.confidence)
        headers = {"X-OTX-API-KEY": read_key("", self.key_file)}
        for _ in range(min(self.pages, MAX_PAGES)):
            page = document(downloads.get(url, headers, conditional=False))
            for pulse in objects(at(page, "results"), "results"):
                _take(entries, pulse)
            following = at(page, "next")
            if not following:
                break
            url = self._checked(str(following))
        return entries.harvest(replaces=not since)

    def _checked(self, following: str) -> str:
        """Return the next page's URL: the key goes nowhere else."""
        ours, theirs = urlsplit(self.url), urlsplit(following)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            message = f"the next page is at another place ({theirs.netloc[:60]})"
            raise FeedError(message)
        return following


def _take(entries: Entries, pulse: dict[str, Any]) -> None:
    for item in objects(pulse.get("indicators") or [], "indicators"):
        kind = KINDS.get(str(item.get("type")).lower())
        if kind is None:  # E-mail addresses, CVEs, rules: nothing that a network shows.
            continue
        entries.add(
            item.get("indicator"),
            kind,
            first=item.get("created"),
            last=pulse.get("modified"),
            tags=pulse.get("tags") or (),
            description=pulse.get("name"),
            tlp=pulse.get("tlp") or "white",
        )
