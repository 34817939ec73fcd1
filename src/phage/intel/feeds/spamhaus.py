"""Spamhaus DROP: networks in the hands of criminals, to be dropped altogether."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.feed import FeedError, Harvest
from phage.intel.networks import parse_networks
from phage.intel.text import decoded

if TYPE_CHECKING:
    from phage.intel.feed import Downloads

LISTS = ("drop_v4", "drop_v6")


@dataclass(slots=True)
class Spamhaus:
    """DROP as JSON lines; the last says how many there are, and a list cut short is refused."""

    name: ClassVar[str] = "spamhaus"
    summary: ClassVar[str] = "Spamhaus DROP: networks that criminals own."
    terms: ClassVar[str] = "Free; (c) The Spamhaus Project, keep credit and date. Once a day."
    least_s: ClassVar[float] = 3600.0

    list: str = "drop_v4"
    """drop_v4 or drop_v6."""
    url: str = ""
    """Another place to get it from, such as a mirror."""
    confidence: int = 95
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not self.url and self.list not in LISTS:
            return f"list: there is no {self.list!r}; there are {', '.join(LISTS)}"
        return ""

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list. Raises FeedError and Unchanged."""
        url = self.url or f"https://www.spamhaus.org/drop/{self.list}.json"
        texts: list[str] = []
        claimed: object = 0
        for number, line in enumerate(decoded(downloads.get(url)).splitlines(), 1):
            if not line.strip():
                continue
            entry = _entry(line, number)
            if entry.get("type") == "metadata":
                claimed = entry.get("records", 0)
            else:
                texts.append(str(entry.get("cidr", "")))
        if not isinstance(claimed, int) or not claimed:
            message = "the list has no end (its last line says how many networks there are)"
            raise FeedError(message)
        if claimed != len(texts):
            message = f"the list says it has {claimed} networks, and has {len(texts)}"
            raise FeedError(message)
        networks = parse_networks(texts)
        return Harvest(networks, rejected=networks.rejected, claimed=claimed)


def _entry(line: str, number: int) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"line {number} is no JSON: {line[:60]!r}"
        raise FeedError(message) from error
    if not isinstance(entry, dict):
        message = f"line {number} is no JSON object: {line[:60]!r}"
        raise FeedError(message)
    return entry
