"""CrowdSec: what a local CrowdSec has decided, its community blocklists included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import Entries
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document, objects
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class CrowdSec:
    """All decisions that stand, by the local API as bouncers ask it."""

    name: ClassVar[str] = "crowdsec"
    summary: ClassVar[str] = "CrowdSec's local API: its decisions and blocklists."
    terms: ClassVar[str] = "Local; needs a bouncer's key (cscli bouncers add phage)."
    least_s: ClassVar[float] = 60.0

    url: str = "http://127.0.0.1:8080"
    """Where the local API is."""
    key_file: str = ""
    """File whose first line is the bouncer's key."""
    confidence: int = 70
    """How sure its decisions are, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url and self.key_file else "key_file is not set"

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Ask and read. Raises FeedError and Unchanged."""
        answer = document(
            downloads.get(
                f"{self.url.rstrip('/')}/v1/decisions/stream?startup=true",
                {"X-Api-Key": read_key("", self.key_file)},
            )
        )
        entries = Entries(self.name, self.confidence)
        for item in objects(at(answer, "new") or [], "new"):
            if str(item.get("scope")).lower() in {"ip", "range"}:
                entries.add(
                    item.get("value"), IndicatorKind.NETWORK, description=item.get("scenario")
                )
        return entries.harvest()
