"""Rates as nftables limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.respond.nft.names import RuleSetError

if TYPE_CHECKING:
    from phage.records.decision import Rate

UNITS = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800))

LARGEST = (1 << 32) - 1
"""The kernel keeps a burst in 32 bits."""

LARGEST_OCTETS = 10**15
"""More than any link carries in a day, and a rate of it still fits into 64 bits."""

LONGEST_SECONDS = 604_800
"""A week, the longest unit of nftables."""


def over(rate: Rate) -> str:
    """Write the condition that a rate is exceeded.

    At the start, and after a quiet time, `burst` may pass at once, or what is allowed in one unit
    of time when no burst is given; of octets 4 GiB at most. The kernel counts in token buckets:
    nft_limit.c.
    """
    _check(rate)
    if rate.unit == "octets":
        per_second = max(1, round(rate.count / rate.seconds))
        # The kernel's bucket of octets holds a second's worth and the burst on top.
        burst = min(LARGEST, max(0, (rate.burst or rate.count) - per_second))
        text = f"limit rate over {per_second} bytes/second"
        return f"{text} burst {burst} bytes" if burst else text
    count, unit = _per_unit(rate)
    return f"limit rate over {count}/{unit} burst {rate.burst or rate.count} packets"


def refill_seconds(rate: Rate) -> int:
    """Return after how many seconds of quiet a bucket is full again, rounded up."""
    return -(-max(rate.burst, rate.count) * rate.seconds // rate.count)


def _check(rate: Rate) -> None:
    if rate.unit not in {"packets", "octets", "connections"}:
        message = f"a rate counts packets, octets or connections, not {rate.unit!r}"
        raise RuleSetError(message)
    largest = LARGEST_OCTETS if rate.unit == "octets" else LARGEST
    if not (1 <= rate.count <= largest and 0 <= rate.burst <= LARGEST):
        message = f"a rate of {rate.count} with a burst of {rate.burst} is out of range"
        raise RuleSetError(message)
    if not 1 <= rate.seconds <= LONGEST_SECONDS:
        message = f"a rate's unit of time is one second to a week, not {rate.seconds} s"
        raise RuleSetError(message)


def _per_unit(rate: Rate) -> tuple[int, str]:
    """Return count and unit: the shortest unit in which the count is whole, else by the week."""
    for unit, seconds in UNITS:
        if rate.count * seconds % rate.seconds == 0:
            return rate.count * seconds // rate.seconds, unit
    return max(1, round(rate.count * LONGEST_SECONDS / rate.seconds)), "week"
