"""Workers of the many-worker mode, as they tell of themselves."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from phage.records.sample import EngineKind, EngineVersion
from phage.records.scantask import EngineReport, WorkerReport
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.store.database import Database, Row

MOST = 1000
"""Workers that are remembered; those not heard of longest go."""

_COLUMNS = "name, token, started, seen, body, ending"


class ScanWorkerRepository:
    """Workers in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self, worker: WorkerReport, within: int) -> bool:
        """Note what a worker says of itself; False where another one has its name.

        A name is its holder's, told by the token, for `within` nanoseconds after it was last seen.
        """
        taken = self._database.execute(
            f"INSERT INTO scan_workers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, 0) "
            "ON CONFLICT (name) DO UPDATE SET token = excluded.token, seen = excluded.seen, "
            "body = excluded.body, started = CASE WHEN scan_workers.seen < ? "
            "THEN excluded.started ELSE scan_workers.started END, "
            "ending = CASE WHEN scan_workers.seen < ? THEN 0 ELSE scan_workers.ending END "
            "WHERE scan_workers.token = excluded.token OR scan_workers.seen < ?",
            (
                storable(worker.name),
                storable(worker.token),
                worker.started,
                worker.seen,
                storable(json.dumps(_body(worker))),
                *(worker.seen - within,) * 3,
            ),
        )
        if taken:
            self._database.execute(
                "DELETE FROM scan_workers WHERE name NOT IN "
                "(SELECT name FROM scan_workers ORDER BY CASE WHEN name = ? THEN 0 ELSE 1 END, "
                "seen DESC, name LIMIT ?)",
                (storable(worker.name), MOST),
            )
        return bool(taken)

    def list(self, since: int = 0) -> list[WorkerReport]:
        """Return workers that were heard of since a time, by name."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_workers WHERE seen >= ? ORDER BY name", (since,)
        )
        return [_worker(row) for row in rows]

    def get(self, name: str) -> WorkerReport | None:
        """Return a worker by its name."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_workers WHERE name = ?", (storable(name),)
        )
        return _worker(rows[0]) if rows else None

    def end(self, name: str, now: int) -> bool:
        """Have a worker asked to end; False when there is none."""
        return bool(
            self._database.execute(
                "UPDATE scan_workers SET ending = ? WHERE name = ?", (now, storable(name))
            )
        )

    def forget(self, name: str) -> bool:
        """Remove a worker that is gone; one that is not comes back by itself."""
        return bool(
            self._database.execute("DELETE FROM scan_workers WHERE name = ?", (storable(name),))
        )


def report_body(report: EngineReport) -> dict[str, Any]:
    """Return what is said of an engine as JSON."""
    body = {each.name: getattr(report, each.name) for each in fields(report)}
    version = report.version
    return {
        **body,
        "kind": str(report.kind),
        "accepts": sorted(report.accepts),
        "version": [version.engine, version.definitions, version.built],
    }


def report_from(body: Mapping[str, Any]) -> EngineReport:
    """Return what is said of an engine of its JSON."""
    return EngineReport(
        **{
            **body,
            "kind": EngineKind(body["kind"]),
            "accepts": frozenset(body["accepts"]),
            "version": EngineVersion(*body["version"]),
        }
    )


def _body(worker: WorkerReport) -> dict[str, Any]:
    return {
        "host": worker.host,
        "address": worker.address,
        "version": worker.version,
        "isolation": worker.isolation,
        "reason": worker.reason,
        "processes": worker.processes,
        "faults": dict(worker.faults),
        "engines": [report_body(each) for each in worker.engines],
    }


def _worker(row: Row) -> WorkerReport:
    values: tuple[Any, ...] = row
    name, token, started, seen, text, ending = values
    body = json.loads(text)
    engines = tuple(report_from(each) for each in body.pop("engines"))
    found = WorkerReport(name, token, started=started, seen=seen, ending=ending, **body)
    return replace(found, engines=engines)
