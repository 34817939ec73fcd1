"""URLhaus of abuse.ch: URLs that give out malware."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlsplit

from phage.intel.entries import Entries
from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.text import decoded
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class UrlHaus:
    """URLs of the last 30 days, and the addresses that stand in them in place of a name.

    Names are not made indicators: most URLs lie on sites that were broken into, or on services that
    everybody uses.
    """

    name: ClassVar[str] = "urlhaus"
    summary: ClassVar[str] = "abuse.ch URLhaus: URLs that give out malware."
    terms: ClassVar[str] = "CC0, fair use; needs a key of abuse.ch; every five minutes at most."
    least_s: ClassVar[float] = 300.0

    url: str = "https://urlhaus-api.abuse.ch/files/exports/recent.csv"
    """Where the table is."""
    key_file: str = ""
    """File whose first line is the key (Auth-Key)."""
    confidence: int = 85
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url and self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the table. Raises FeedError and Unchanged."""
        key = quote(read_key("", self.key_file), safe="")
        text = decoded(downloads.get(f"{self.url}?auth-key={key}"))
        lines = [line for line in text.replace("\0", "").splitlines() if line and line[0] != "#"]
        entries = Entries(self.name, self.confidence)
        try:
            for row in csv.reader(lines):
                if len(row) < 7:
                    entries.rejected += 1
                    continue
                self._take(entries, row)
        except csv.Error as error:
            message = f"what came is no CSV: {error}"
            raise FeedError(message) from error
        return entries.harvest()

    def _take(self, entries: Entries, row: list[str]) -> None:
        _, added, url, status, last, threat, tags, *_ = row
        when = {"first": added, "last": last, "tags": tags, "description": f"{threat}, {status}"}
        entries.add(url, IndicatorKind.URL, **when)
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            return
        if host.replace(".", "").isdecimal() or ":" in host:
            entries.add(host, IndicatorKind.NETWORK, **when)
