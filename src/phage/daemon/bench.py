"""`phage bench`: what this machine can do, with a peer in the same run where there is one."""

from __future__ import annotations

import os
import platform
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from phage.collect.collectors.pcapfile import core_build as build
from phage.daemon.benchmark import (
    files,
    inventory,
    knowing,
    paths,
    responding,
    watching,
)
from phage.daemon.benchmark.workbench import Workbench
from phage.daemon.options import BenchOptions, BenchReport, Measurement
from phage.errors import PhageError

BENCHMARKS = (
    *paths.BENCHMARKS,
    *watching.BENCHMARKS,
    *responding.BENCHMARKS,
    *knowing.BENCHMARKS,
    *files.BENCHMARKS,
    *inventory.BENCHMARKS,
)


def bench(options: BenchOptions) -> BenchReport:
    """Run the measurements that are named, or all. Raises PhageError for an unknown name."""
    wanted = options.names or ("*",)
    for name in wanted:
        if not any(fnmatchcase(each.name, name) for each in BENCHMARKS):
            known = ", ".join(each.name for each in BENCHMARKS)
            message = f"there is no measurement {name!r}; there are {known}"
            raise PhageError(message)
    chosen = [each for each in BENCHMARKS if any(fnmatchcase(each.name, name) for name in wanted)]
    results: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="phage-bench-") as folder:
        workbench = Workbench(Path(folder))
        for number, each in enumerate(chosen):
            options.progress(number, len(chosen))
            measured = each.measure(workbench)
            results += measured if isinstance(measured, tuple) else (measured,)
        options.progress(len(chosen), len(chosen))
    return BenchReport(machine(), tuple(results))


def machine() -> dict[str, object]:
    """Return what the figures were taken on: CPU, kernel of the core, cores, memory, system."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "kernel": build()["kernel"],
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
    }
