"""Advice: what a controller tells its sensors about what they learned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
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
