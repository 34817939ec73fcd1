"""File scanning: verdicts on new and known files, files a second, ClamAV through phage."""

from __future__ import annotations

from phage.daemon.benchmark.workbench import Benchmark, Workbench
from phage.daemon.options import Measurement


def scan_clean(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the verdict on one clean file that is new, over the light engines."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    figures = scan.single()
    return (
        Measurement("scan.clean_ms", figures["clean"], "ms"),
        Measurement("scan.clean_ms.p95", figures["clean_p95"], "ms"),
        Measurement("scan.clean_ms.engines", figures["engines"], "engines"),
    )


def scan_known(_bench: Workbench) -> Measurement:
    """Measure the verdict on one clean file that is known."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    return Measurement("scan.known_ms", scan.single()["known"], "ms")


def scan_rate(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure new files a second over the light engines, and what each costs."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    files, seconds = scan.rate()
    return (
        Measurement("scan.files_per_s", files, "files/s"),
        Measurement("scan.files_per_s.cpu", seconds * 1000, "ms/file"),
    )


def scan_over_clamd(_bench: Workbench) -> Measurement:
    """Measure ClamAV through phage against clamd alone."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    ours, theirs = scan.over_clamd()
    return Measurement("scan.over_clamd", ours, "s", scan.PEER, theirs)


BENCHMARKS = (
    Benchmark("scan.clean_ms", scan_clean),
    Benchmark("scan.known_ms", scan_known),
    Benchmark("scan.files_per_s", scan_rate),
    Benchmark("scan.over_clamd", scan_over_clamd),
)
