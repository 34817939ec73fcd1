"""An indicator: one item of threat intelligence, and who says it."""

from __future__ import annotations

import enum

from phage.frozen import frozen


class IndicatorKind(enum.StrEnum):
    """What an indicator names."""

    NETWORK = "network"
    """An address or a network."""
    DOMAIN = "domain"
    """A name and all below it."""
    URL = "url"
    HASH = "hash"
    """A file by its MD5, SHA-1 or SHA-256."""
    JA3 = "ja3"
    JA4 = "ja4"
    CERTIFICATE = "certificate"
    """A server's certificate by the SHA-1 or SHA-256 of its DER."""


@frozen
class Indicator:
    """One indicator as one feed tells it.

    `value` is canonical: a network in CIDR form, a name in lower case without a dot at its end.
    `confidence` is 0 to 100. Times are nanoseconds since the Unix epoch, 0 where the feed does not
    say; `expires` 0 is never. `tlp` is the Traffic Light Protocol's label in lower case.
    """

    kind: IndicatorKind
    value: str
    feed: str
    confidence: int = 50
    first_seen: int = 0
    last_seen: int = 0
    expires: int = 0
    tags: tuple[str, ...] = ()
    description: str = ""
    tlp: str = "clear"


@frozen
class Mention:
    """One feed's word on something that was seen: which indicator met it, and how sure."""

    feed: str
    kind: IndicatorKind
    value: str
    confidence: int
    tags: tuple[str, ...] = ()
    description: str = ""
