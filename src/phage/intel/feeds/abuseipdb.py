"""AbuseIPDB: the addresses that were reported most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import Entries
from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document, objects
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class AbuseIpDb:
    """The blacklist: addresses with a score, 10,000 of them and five requests a day for nothing."""

    name: ClassVar[str] = "abuseipdb"
    summary: ClassVar[str] = "AbuseIPDB: addresses reported most, with a score."
    terms: ClassVar[str] = "Not to be republished; needs a key; five requests a day are free."
    least_s: ClassVar[float] = 17_280.0

    url: str = "https://api.abuseipdb.com/api/v2/blacklist"
    """Where the API is."""
    key_file: str = ""
    """File whose first line is the key."""
    least: int = 100
    """Score from which an address is asked for; less than 100 is for those who pay."""
    limit: int = 10_000
    """Addresses to ask for."""
    confidence: int = 75
    """How sure the list is where an entry does not say, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not 25 <= self.least <= 100:
            return "least: must be 25 to 100"
        return "" if self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Ask and read. Raises FeedError and Unchanged."""
        url = f"{self.url}?confidenceMinimum={self.least}&limit={self.limit}"
        headers = {"Key": read_key("", self.key_file), "Accept": "application/json"}
        answer = document(downloads.get(url, headers))
        if errors := at(answer, "errors"):
            message = f"AbuseIPDB answered {str(errors)[:100]}"
            raise FeedError(message)
        entries = Entries(self.name, self.confidence)
        for item in objects(at(answer, "data"), "data"):
            entries.add(
                item.get("ipAddress"),
                IndicatorKind.NETWORK,
                last=item.get("lastReportedAt"),
                confidence=item.get("abuseConfidenceScore"),
                tags=(item.get("countryCode"),),
            )
        return entries.harvest()
