"""DShield: the networks from which most attacks came in the last three days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.feed import FeedError, Harvest
from phage.intel.networks import parse_networks
from phage.intel.text import decoded

if TYPE_CHECKING:
    from phage.intel.feed import Downloads


@dataclass(slots=True)
class DShield:
    """The recommended block list: start, end, prefix length, attacks, separated by tabs."""

    name: ClassVar[str] = "dshield"
    summary: ClassVar[str] = "DShield's 20 networks that attack most."
    terms: ClassVar[str] = "CC BY-NC-SA 2.5; wants an address of contact in the User-Agent."
    least_s: ClassVar[float] = 3600.0

    url: str = "https://isc.sans.edu/feeds/block.txt"
    """Where the list is."""
    confidence: int = 50
    """How sure the list is: its maker calls it context, not a block list."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url else "url is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list. Raises FeedError and Unchanged."""
        rows = [
            line.split("\t")
            for line in decoded(downloads.get(self.url)).splitlines()
            if line and not line.startswith(("#", "Start"))
        ]
        texts = [f"{row[0].strip()}/{row[2].strip()}" for row in rows if len(row) >= 3]
        networks = parse_networks(texts)
        if rows and not len(networks):
            message = "no line is one of DShield's (start, end, length, separated by tabs)"
            raise FeedError(message)
        return Harvest(networks, rejected=len(rows) - len(texts) + networks.rejected)
