"""Feodo Tracker of abuse.ch: command servers of banking trojans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import Entries
from phage.intel.jsontext import document, objects
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class Feodo:
    """Addresses of command servers with their malware; lately often none."""

    name: ClassVar[str] = "feodo"
    summary: ClassVar[str] = "abuse.ch Feodo Tracker: command servers of trojans."
    terms: ClassVar[str] = "CC0; every five minutes at most."
    least_s: ClassVar[float] = 300.0

    url: str = "https://feodotracker.abuse.ch/downloads/ipblocklist.json"
    """Where the list is."""
    confidence: int = 90
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url else "url is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list. Raises FeedError and Unchanged."""
        entries = Entries(self.name, self.confidence)
        for item in objects(document(downloads.get(self.url)), "the document"):
            malware = str(item.get("malware") or "")
            entries.add(
                item.get("ip_address"),
                IndicatorKind.NETWORK,
                first=item.get("first_seen"),
                last=item.get("last_online"),
                tags=(malware, "command server"),
                description=f"{malware} command server, port {item.get('port')}",
            )
        return entries.harvest()
