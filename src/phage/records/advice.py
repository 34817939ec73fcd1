"""Advice: what a controller tells its sensors about what they learned."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class Advice:
    """What a sensor is to do with what it learned of a device: distrust it, or excuse it.

    `verb` is "distrust" or "excuse"; `mac` is 0 for unknown, `address` has 16 octets; times are
    nanoseconds since the Unix epoch.
    """

    verb: str
    mac: int
    address: bytes
    since: int
    until: int
