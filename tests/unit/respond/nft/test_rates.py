"""Rates as limits."""

from __future__ import annotations

import pytest

from phage.records.decision import Rate
from phage.respond.nft.rates import over, refill_seconds


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (Rate(10), "10/second burst 10 packets"),
        (Rate(10, burst=3), "10/second burst 3 packets"),
        (Rate(10, "connections", 60), "10/minute burst 10 packets"),
        (Rate(10, seconds=30), "20/minute burst 10 packets"),
        (Rate(1, seconds=45), "80/hour burst 1 packets"),
        (Rate(7, seconds=604_799), "7/week burst 7 packets"),
        (Rate(1000, "octets"), "1000 bytes/second"),
        (Rate(1000, "octets", burst=5000), "1000 bytes/second burst 4000 bytes"),
        (Rate(60_000, "octets", 60), "1000 bytes/second burst 59000 bytes"),
        (Rate(1, "octets", 60), "1 bytes/second"),
        (Rate(5 * 10**9, "octets"), "5000000000 bytes/second"),
        (Rate(10**11, "octets", 3600), "27777778 bytes/second burst 4294967295 bytes"),
    ],
)
def test_rates(rate: Rate, wanted: str) -> None:
    assert over(rate) == f"limit rate over {wanted}"


def test_how_long_a_bucket_takes_to_fill() -> None:
    assert refill_seconds(Rate(10, seconds=60)) == 60
    assert refill_seconds(Rate(10, seconds=60, burst=15)) == 90
    assert refill_seconds(Rate(3, burst=1)) == 1
