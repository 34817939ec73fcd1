"""Durations by engine: the latest, bounded."""

from __future__ import annotations

from phage.scan.latency import KEPT, Latencies


def test_median_and_slow_end_of_the_latest() -> None:
    latencies = Latencies()
    assert latencies.of("yara") == (0, 0.0, 0.0)
    for number in range(3 * KEPT):
        latencies.add("yara", 1.0 if number < 2 * KEPT else (number - 2 * KEPT) / KEPT)
    files, median, slowest = latencies.of("yara")
    assert files == 3 * KEPT
    assert (round(median, 2), round(slowest, 2)) == (0.5, 0.95)
