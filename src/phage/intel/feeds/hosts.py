"""Lists of domains: in the form of a hosts file, of a domain a line, or of an ad blocker."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import Entries
from phage.intel.text import decoded
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

_NOWHERE = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104  Where hosts files point.
_ADBLOCK = re.compile(r"\|\|([^\^/$]+)\^.*")


@dataclass(slots=True)
class Hosts:
    """Domains of `0.0.0.0 name`, of `name`, or of `||name^`, one a line."""

    name: ClassVar[str] = "hosts"
    summary: ClassVar[str] = "Domains, as a hosts file or one a line, from any URL or file."
    terms: ClassVar[str] = "Those of whoever made the list."
    least_s: ClassVar[float] = 300.0

    url: str = ""
    """Where the list is; a file's path is one too."""
    confidence: int = 50
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url else "url is not set (a file's path is one too)"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list. Raises FeedError and Unchanged."""
        entries = Entries(self.name, self.confidence)
        for line in decoded(downloads.get(self.url)).splitlines():
            bare = line.partition("#")[0].strip()
            if not bare or bare.startswith("!"):
                continue
            if match := _ADBLOCK.fullmatch(bare):
                bare = match[1]
            fields = bare.split()
            for name in fields[1:] if fields[0] in _NOWHERE else fields[:1]:
                if name not in {"localhost", "broadcasthost"} and name not in _NOWHERE:
                    entries.add(name, IndicatorKind.DOMAIN)
        return entries.harvest()
