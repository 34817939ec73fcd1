"""A sighting: a name or fingerprint that a device had to do with, kept for later questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.records.indicator import IndicatorKind


@frozen
class Sighting:
    """What one device had to do with one value, over a span of time.

    Attributes:
        kind: What the value is: a domain that was asked for or called, the JA4 of a call.
        value: The value, canonical as in indicators.
        device: The stable name of the device: its MAC address, else its address.
        ip: Its latest address.
        first_seen: Nanoseconds since the Unix epoch; so is `last_seen`.
        last_seen: When last.
        times: How often; added to what is stored.
    """

    kind: IndicatorKind
    value: str
    device: str
    ip: str
    first_seen: int
    last_seen: int
    times: int = 1
