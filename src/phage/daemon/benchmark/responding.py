"""Policy and response: from a finding to dropped packets, and what blocks cost others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.daemon.benchmark.workbench import Benchmark, Workbench
from phage.daemon.options import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable


def respond_finding_to_drop(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure from a finding to packets that are dropped, with 100,000 bans in force."""
    # Needs root; others do not.
    from phage.daemon.benchmark.desk import finding_to_drop  # noqa: PLC0415

    figures = finding_to_drop()
    return (
        Measurement("respond.finding_to_drop_ms", figures["median"], "ms"),
        Measurement("respond.finding_to_drop_ms.p99", figures["p99"], "ms"),
    )


def respond_latency(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure what 100,000 bans and a rule set cost those who are not blocked."""
    from phage.daemon.benchmark.latency import measure  # noqa: PLC0415  Needs root; others do not.

    cost = measure()
    bare = "the same router without rules"
    return (
        Measurement("respond.latency_us", cost.latency_added, "us"),
        Measurement("respond.round_trip_us", cost.latency_armed, "us", bare, cost.latency_bare),
        Measurement(
            "respond.throughput", cost.throughput_armed, "bit/s", bare, cost.throughput_bare
        ),
    )


def respond(name: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures blocking in the kernel, by name."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark.respond import figures  # noqa: PLC0415  Needs root; others do not.

        return tuple(Measurement(*each) for each in figures(name))

    return measure


BENCHMARKS = (
    Benchmark("respond.ban_add_1m_ms", respond("respond.ban_add_1m_ms")),
    Benchmark("respond.load_1m_s", respond("respond.load_1m_s")),
    Benchmark("respond.drop_pps", respond("respond.drop_pps")),
    Benchmark("respond.latency_us", respond_latency),
    Benchmark("respond.finding_to_drop_ms", respond_finding_to_drop),
)
