"""Workers, their queues and releases of definitions, as the API and the command line tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.scan.master import GONE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.scanrelease import DefinitionRelease
    from phage.records.scantask import EngineReport, WorkerReport
    from phage.store.repositories.scanfleets import FleetRow

GONE_NS = int(GONE_SECONDS * 1e9)


def worker_state(worker: WorkerReport, now: int) -> str:
    """Return "here", "ending", or "gone"."""
    if now - worker.seen > GONE_NS:
        return "gone"
    return "ending" if worker.ending else "here"


def worker_shape(worker: WorkerReport, now: int) -> dict[str, Any]:
    """Return a worker."""
    return {
        "id": worker.name,
        "name": worker.name,
        "state": worker_state(worker, now),
        "host": worker.host,
        "address": worker.address,
        "version": worker.version,
        "token": worker.token,
        "started": rfc3339(worker.started),
        "seen": rfc3339(worker.seen),
        "isolation": worker.isolation,
        "reason": worker.reason,
        "processes": worker.processes,
        "faults": dict(worker.faults),
        "engines": [engine_report_shape(each) for each in worker.engines],
    }


def engine_report_shape(report: EngineReport) -> dict[str, Any]:
    """Return an engine of a worker."""
    version = report.version
    return {
        "name": report.name,
        "kind": str(report.kind),
        "place": report.place,
        "version": version.engine,
        "definitions": version.definitions,
        "built": rfc3339(version.built) if version.built else "",
        "passed": not report.fault,
        "fault": report.fault,
        "isolation": report.isolation,
        "release": report.release,
        "refused": report.refused,
        "files": report.files,
        "median_ms": round(report.median * 1000, 3),
        "p95_ms": round(report.slowest * 1000, 3),
    }


def queue_shapes(
    workers: Sequence[WorkerReport], open_: Mapping[str, tuple[int, int]], now: int
) -> list[dict[str, Any]]:
    """Return the queue of each engine: what waits, what is at work, who serves it."""
    names = set(open_) | {each.name for worker in workers for each in worker.engines}
    found = []
    for name in sorted(names):
        serving = [
            worker.name
            for worker in workers
            if worker_state(worker, now) == "here"
            and any(each.name == name and not each.fault for each in worker.engines)
        ]
        waiting, at_work = open_.get(name, (0, 0))
        found.append({"engine": name, "waiting": waiting, "at_work": at_work, "workers": serving})
    return found


def release_shape(release: DefinitionRelease) -> dict[str, Any]:
    """Return a release of definitions."""
    return {
        "id": release.id,
        "engine": release.engine,
        "state": str(release.state),
        "name": release.name,
        "sha256": release.sha256,
        "size": release.size,
        "canary": release.canary,
        "author": release.author,
        "made": rfc3339(release.made),
        "tried": rfc3339(release.tried) if release.tried else "",
        "changed": rfc3339(release.changed),
        "fault": release.fault,
    }


def fleet_shape(fleet: FleetRow) -> dict[str, Any]:
    """Return a fleet."""
    return {
        "id": fleet.name,
        "name": fleet.name,
        "launcher": fleet.launcher,
        "wanted": fleet.wanted,
        "most": fleet.most,
        "fixed": fleet.fixed,
        "machines": [
            {"id": id_, "worker": worker, "address": address}
            for id_, worker, address in fleet.machines
        ],
        "seen": rfc3339(fleet.seen),
        "fault": fleet.fault,
    }
