"""Devices and the API: sweeps, imports, vulnerabilities, lists, pages for many users."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phage.daemon.benchmark.workbench import Benchmark, Workbench
from phage.daemon.options import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable


def devices_scan(job: str, name: str, share: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures a part of active scans."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        # Needs root; others do not.
        from phage.daemon.benchmark import discovery  # noqa: PLC0415

        found = discovery.figures(job)
        peer = discovery.PEER if "peer" in found else ""
        return (
            Measurement(name, found["seconds"], "s", peer, found.get("peer")),
            Measurement(f"{name}.{share}", found[share], "share"),
        )

    return measure


def devices_import_cve(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the import of 30,000 NVD records into a new store."""
    return (
        Measurement("devices.import_cve_s", bench.cves["import"], "s"),
        Measurement("devices.import_cve_s.cpu", bench.cves["import.cpu"], "s"),
    )


def devices_match_cve(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure 10,000 devices matched against 30,000 NVD records."""
    return (
        Measurement("devices.match_cve_s", bench.cves["match"], "s"),
        Measurement("devices.match_cve_s.cpu", bench.cves["match.cpu"], "s"),
    )


def devices_import_oui(_bench: Workbench) -> Measurement:
    """Measure the import of all registries of MAC addresses."""
    from phage.daemon.benchmark import devices  # noqa: PLC0415  Needs the API.

    return Measurement("devices.import_oui_s", devices.import_seconds()[0], "s")


def devices_list(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure a list of ten thousand devices from the API."""
    from phage.daemon.benchmark import devices  # noqa: PLC0415  Needs the API.

    whole, busy = devices.list_milliseconds()
    return (
        Measurement("devices.list_10k_ms", whole, "ms"),
        Measurement("devices.list_10k_ms.cpu", busy, "ms"),
    )


def devices_memory(_bench: Workbench) -> Measurement:
    """Measure the memory of one device of ten thousand, with its evidence and profile."""
    from phage.daemon.benchmark import devices  # noqa: PLC0415  Needs the API.

    return Measurement("devices.memory", devices.octets_of_a_device(), "bytes")


def api_waits(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure how long 50 users wait for pages and answers over the store of a large network.

    In SQLite; PHAGE_BENCH_POSTGRES names an empty database to be filled and measured instead.
    """
    from phage.daemon.benchmark import api  # noqa: PLC0415  Some minutes of filling.
    from phage.store.store import StoreLocation  # noqa: PLC0415  As above.

    url = os.environ.get("PHAGE_BENCH_POSTGRES", "")
    patient, hasty = api.measure(StoreLocation(url) if url else None)
    return (
        Measurement("api.first_byte_ms", patient.median * 1000, "ms"),
        Measurement("api.first_byte_ms.p99", patient.p99 * 1000, "ms"),
        Measurement("api.answers", hasty.rate, "answers/s"),
        Measurement("api.cpu_ms", patient.cpu_each * 1000, "ms"),
    )


BENCHMARKS = (
    Benchmark("devices.sweep_16_s", devices_scan("sweep", "devices.sweep_16_s", "found")),
    Benchmark("devices.ports_s", devices_scan("ports", "devices.ports_s", "answered")),
    Benchmark("devices.import_oui_s", devices_import_oui),
    Benchmark("devices.list_10k_ms", devices_list),
    Benchmark("devices.memory", devices_memory),
    Benchmark("devices.import_cve_s", devices_import_cve),
    Benchmark("devices.match_cve_s", devices_match_cve),
    Benchmark("api.first_byte_ms", api_waits),
)
