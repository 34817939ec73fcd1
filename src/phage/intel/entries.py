"""Entries of feeds to indicators: what cannot be read is counted, never an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.intel.feed import Harvest
from phage.intel.values import canonical, guessed, nanoseconds, split_networks, tag_texts
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ENTRIES = 2_000_000
"""Entries of one feed that are more than a network; about a gigabyte."""


@dataclass(slots=True)
class Entries:
    """Takes the entries of one feed.

    Attributes:
        feed: The feed's name.
        confidence: How sure it is where an entry does not say.
    """

    feed: str
    confidence: int
    found: list[Indicator] = field(default_factory=list)
    rejected: int = 0

    def add(  # noqa: PLR0913  What an entry may say.
        self,
        value: object,
        kind: IndicatorKind | None = None,
        *,
        first: object = None,
        last: object = None,
        expires: object = None,
        confidence: object = None,
        tags: object = (),
        description: object = "",
        tlp: object = "clear",
    ) -> None:
        """Take an entry; without a kind it is what it looks like."""
        text = value.strip() if isinstance(value, str) else ""
        known = (kind, canonical(kind, text)) if kind is not None else guessed(text)
        if known is None or not known[1] or len(self.found) >= MAX_ENTRIES:
            self.rejected += 1
            return
        sure = confidence if isinstance(confidence, int) else self.confidence
        self.found.append(
            Indicator(
                known[0],
                known[1],
                self.feed,
                confidence=max(0, min(100, sure)),
                first_seen=nanoseconds(first),
                last_seen=nanoseconds(last) or nanoseconds(first),
                expires=nanoseconds(expires),
                tags=tag_texts(tags),
                description=str(description)[:256] if description else "",
                tlp=str(tlp).lower() if tlp else "clear",
            )
        )

    def harvest(self, *, replaces: bool = True) -> Harvest:
        """Return all that was taken."""
        networks, indicators = split_networks(self.found)
        return Harvest(networks, indicators, self.rejected, replaces)


KINDS: Mapping[str, IndicatorKind] = {
    "ipv4": IndicatorKind.NETWORK,
    "ipv6": IndicatorKind.NETWORK,
    "cidr": IndicatorKind.NETWORK,
    "domain": IndicatorKind.DOMAIN,
    "hostname": IndicatorKind.DOMAIN,
    "url": IndicatorKind.URL,
    "filehash-md5": IndicatorKind.HASH,
    "filehash-sha1": IndicatorKind.HASH,
    "filehash-sha256": IndicatorKind.HASH,
    "md5": IndicatorKind.HASH,
    "sha1": IndicatorKind.HASH,
    "sha256": IndicatorKind.HASH,
    "md5_hash": IndicatorKind.HASH,
    "sha1_hash": IndicatorKind.HASH,
    "sha256_hash": IndicatorKind.HASH,
    "ip-dst": IndicatorKind.NETWORK,
    "ip-src": IndicatorKind.NETWORK,
    "ja3-fingerprint-md5": IndicatorKind.JA3,
    "ja4-plus": IndicatorKind.JA4,
    "x509-fingerprint-sha1": IndicatorKind.CERTIFICATE,
    "x509-fingerprint-sha256": IndicatorKind.CERTIFICATE,
}
"""Kinds by the names that OTX, MISP and ThreatFox give them, in lower case."""
