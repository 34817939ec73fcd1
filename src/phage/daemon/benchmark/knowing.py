"""Threat intelligence: look-ups, the memory of the index, loading lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.daemon.benchmark.workbench import Benchmark, Workbench, median
from phage.daemon.options import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable


def match(kind: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures look-ups of one kind of address, against each peer there is."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark import match as matching  # noqa: PLC0415  200 MB of addresses.

        value = median(lambda: matching.rate(kind))
        return tuple(
            Measurement(f"match.{kind}", value, "lookups/s", peer, rate)
            for peer, rate in matching.peers(kind)
        )

    return measure


def match_memory(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the memory of the index, and the time to build it."""
    from phage.daemon.benchmark import match as matching  # noqa: PLC0415  200 MB of addresses.

    prefixes, seconds = matching.built()
    return (
        Measurement("match.memory", prefixes.octets(), "bytes"),
        Measurement("match.build_s", seconds, "s"),
    )


def intel_many(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the memory of ten million indicators of all kinds, kept and at the most."""
    from phage.daemon.benchmark.feeds import many_memory  # noqa: PLC0415  A minute of work.

    kept, most = many_memory()
    return (
        Measurement("intel.many_bytes", kept, "bytes"),
        Measurement("intel.many_peak_bytes", most, "bytes"),
    )


def feeds_load(_bench: Workbench) -> Measurement:
    """Measure a million lines of lists from their text to an index in force."""
    from phage.daemon.benchmark.feeds import load_seconds  # noqa: PLC0415  20 MB of lists.

    return Measurement("feeds.load_s", median(load_seconds), "s")


BENCHMARKS = (
    Benchmark("match.ipv4.random", match("ipv4.random")),
    Benchmark("match.ipv4.hot", match("ipv4.hot")),
    Benchmark("match.ipv6.random", match("ipv6.random")),
    Benchmark("match.memory", match_memory),
    Benchmark("feeds.load_s", feeds_load),
    Benchmark("intel.many_bytes", intel_many),
)
