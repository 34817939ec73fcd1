"""ThreatFox of abuse.ch: indicators of malware, from its API."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from phage.intel.entries import KINDS, Entries
from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.jsontext import document, objects
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class ThreatFox:
    """Indicators of the last days: addresses with ports, domains, URLs, hashes."""

    name: ClassVar[str] = "threatfox"
    summary: ClassVar[str] = "abuse.ch ThreatFox: command servers, domains, URLs and hashes."
    terms: ClassVar[str] = "CC0, fair use; needs a key of abuse.ch."
    least_s: ClassVar[float] = 300.0

    url: str = "https://threatfox-api.abuse.ch/api/v1/"
    """Where the API is."""
    key_file: str = ""
    """File whose first line is the key (Auth-Key)."""
    days: int = 7
    """How far back to ask, 1 to 7."""
    least: int = 50
    """Confidence below which an entry is left out."""
    confidence: int = 75
    """How sure the list is where an entry does not say, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not 1 <= self.days <= 7:
            return "days: must be 1 to 7"
        return "" if self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Ask and read. Raises FeedError and Unchanged."""
        answer = document(
            downloads.get(
                self.url,
                {"Auth-Key": read_key("", self.key_file), "Content-Type": "application/json"},
                json.dumps({"query": "get_iocs", "days": self.days}).encode(),
            )
        )
        status = answer.get("query_status") if isinstance(answer, dict) else "no object"
        entries = Entries(self.name, self.confidence)
        if status == "no_result":
            return entries.harvest()
        if status != "ok":
            message = f"ThreatFox answered {str(status)[:60]!r}"
            raise FeedError(message)
        for item in objects(answer.get("data"), "data"):
            self._take(entries, item)
        return entries.harvest()

    def _take(self, entries: Entries, item: dict[str, Any]) -> None:
        sure = item.get("confidence_level")
        if isinstance(sure, int) and sure < self.least:
            return
        value, kind = str(item.get("ioc") or ""), str(item.get("ioc_type") or "")
        if kind == "ip:port":
            value, known = value.rpartition(":")[0].strip("[]"), IndicatorKind.NETWORK
        else:
            known = KINDS.get(kind.lower())  # type: ignore[assignment]
        entries.add(
            value,
            known,
            first=item.get("first_seen"),
            last=item.get("last_seen"),
            confidence=sure,
            tags=item.get("tags") or (),
            description=f"{item.get('malware_printable') or ''} {item.get('threat_type') or ''}",
        )
