"""SSLBL of abuse.ch: command servers by their address, or by their certificate."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import Entries
from phage.intel.feed import FeedError
from phage.intel.text import decoded
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

_FILES = {"addresses": "sslipblacklist.csv", "certificates": "sslblacklist.csv"}


@dataclass(slots=True)
class SslBl:
    """Addresses (time, address, port) or certificates (time, SHA-1, reason)."""

    name: ClassVar[str] = "sslbl"
    summary: ClassVar[str] = "abuse.ch SSLBL: command servers, certificates of malware."
    terms: ClassVar[str] = "CC0; every five minutes at most."
    least_s: ClassVar[float] = 300.0

    list: str = "addresses"
    """addresses or certificates."""
    url: str = ""
    """Another place to get it from."""
    confidence: int = 85
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.list in _FILES else f"list: must be one of {', '.join(_FILES)}"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the table. Raises FeedError and Unchanged."""
        url = self.url or f"https://sslbl.abuse.ch/blacklist/{_FILES[self.list]}"
        text = decoded(downloads.get(url)).replace("\0", "")
        certificates = self.list == "certificates"
        kind = IndicatorKind.CERTIFICATE if certificates else IndicatorKind.NETWORK
        entries = Entries(self.name, self.confidence)
        try:
            for row in csv.reader(line for line in text.splitlines() if line and line[0] != "#"):
                if len(row) < 2 or row[0].lower() == "firstseen":
                    continue
                reason = row[2] if certificates and len(row) > 2 else "TLS command server"
                entries.add(row[1], kind, first=row[0], description=reason)
        except csv.Error as error:
            message = f"what came is no CSV: {error}"
            raise FeedError(message) from error
        return entries.harvest()
