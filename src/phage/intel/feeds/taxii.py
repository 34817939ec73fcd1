"""TAXII 2.1 (OASIS): indicators of one collection, in STIX patterns."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from phage.clock import rfc3339
from phage.intel.entries import Entries
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document, objects
from phage.intel.stix import PatternError, values_of

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

MEDIA_TYPE = "application/taxii+json;version=2.1"
MAX_PAGES = 1000


@dataclass(slots=True)
class Taxii:
    """Indicators that were added since the last time, page by page.

    Fails where an indicator's pattern asks for more than one thing at once: it is left out, and
    counted as rejected.
    """

    name: ClassVar[str] = "taxii"
    summary: ClassVar[str] = "TAXII 2.1: a collection of STIX 2.1 indicators."
    terms: ClassVar[str] = "Those of the collection."
    least_s: ClassVar[float] = 300.0

    url: str = ""
    """Address of the collection: https://HOST/API-ROOT/collections/ID."""
    user: str = ""
    """Name for HTTP basic authentication; '' for none."""
    key_file: str = ""
    """File whose first line is the password; without `user` a token (Bearer)."""
    limit: int = 1000
    """Objects of a page to ask for."""
    pages: int = 200
    """Pages to read at a time, at most."""
    confidence: int = 60
    """How sure the collection is where an indicator does not say, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        return "" if "/collections/" in self.url else "url: is no collection's address"

    def collect(self, downloads: Downloads, since: int) -> Harvest:
        """Ask and read. Raises FeedError."""
        base = self.url.rstrip("/").removesuffix("/objects")
        headers = {"Accept": MEDIA_TYPE, **self._authorization()}
        query = {"limit": str(self.limit), "match[type]": "indicator"}
        if since:
            query["added_after"] = rfc3339(since)
        entries = Entries(self.name, self.confidence)
        for _ in range(min(self.pages, MAX_PAGES)):
            url = f"{base}/objects/?{urlencode(query)}"
            page = document(downloads.get(url, headers, conditional=False))
            for each in objects(at(page, "objects") or [], "objects"):
                _take(entries, each)
            if at(page, "more") is not True:
                break
            if following := at(page, "next"):
                query["next"] = str(following)[:1024]
            elif last := downloads.said("x-taxii-date-added-last"):
                # Section 5.4: without `next` the rest comes after what was added last.
                query["added_after"] = last[:64]
            else:
                break
        return entries.harvest(replaces=not since)

    def _authorization(self) -> dict[str, str]:
        if not self.key_file:
            return {}
        key = read_key("", self.key_file)
        if not self.user:
            return {"Authorization": f"Bearer {key}"}
        basic = base64.b64encode(f"{self.user}:{key}".encode()).decode("ascii")
        return {"Authorization": f"Basic {basic}"}


def _take(entries: Entries, each: dict[str, Any]) -> None:
    if each.get("type") != "indicator" or each.get("revoked") is True:
        return
    try:
        named = values_of(str(each.get("pattern")))
    except PatternError:
        entries.rejected += 1
        return
    confidence = each.get("confidence")
    for kind, value in named:
        entries.add(
            value,
            kind,
            first=each.get("valid_from"),
            last=each.get("modified"),
            expires=each.get("valid_until"),
            confidence=confidence if isinstance(confidence, int) and confidence else None,
            tags=each.get("labels") or each.get("indicator_types") or (),
            description=each.get("name"),
        )
