"""Jobs of scanning: taken by lease, given back when a worker dies, given up when it keeps dying."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from phage.records.scanjob import JobState, Origin, Progress, ScanJob
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database, Row

MAX_PAGE = 10_000

_COLUMNS = (
    "id, sha256, name, body, priority, state, attempts, submitted, worker, lease, lease_until, "
    "verdict, error, progress"
)


class ScanJobRepository:
    """Jobs in a database.

    A job is leased with a token; only who holds the token can extend, finish or fail it (fencing),
    so that a worker that was taken for dead cannot spoil what another one has done since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, jobs: Sequence[ScanJob], now: int, most: int) -> int:
        """Add jobs; those beyond `most` that wait are refused. Return how many were added."""
        with self._database.transaction():
            rows = self._database.query(
                "SELECT count(*) FROM scan_jobs WHERE state IN ('queued', 'leased')"
            )
            taken = list(jobs)[: max(0, most - int(rows[0][0] or 0))]
            self._database.execute_many(
                "INSERT INTO scan_jobs (id, sha256, name, body, priority, state, attempts, "
                "submitted, changed, worker, lease, lease_until, verdict, error) "
                "VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, ?, '', '', 0, '', '') "
                "ON CONFLICT DO NOTHING",
                [
                    (
                        job.id,
                        job.sha256,
                        storable(job.name),
                        json.dumps(_body(job)),
                        int(job.priority),
                        storable_integer(now),
                        storable_integer(now),
                    )
                    for job in taken
                ],
            )
        return len(taken)

    def lease(self, worker: str, count: int, now: int, until: int) -> list[ScanJob]:
        """Take jobs for a worker, the most urgent and oldest first."""
        lock = " FOR UPDATE SKIP LOCKED" if self._database.dialect == "postgresql" else ""
        token = secrets.token_hex(16)
        with self._database.transaction():
            if not lock:
                self._begin_writing(now)
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM scan_jobs WHERE state = 'queued' "
                f"ORDER BY priority, submitted, id LIMIT ?{lock}",
                (count,),
            )
            self._database.execute_many(
                "UPDATE scan_jobs SET state = 'leased', attempts = attempts + 1, worker = ?, "
                "lease = ?, lease_until = ?, changed = ? WHERE id = ?",
                [(storable(worker), token, until, now, row[0]) for row in rows],
            )
        found = [_job(row) for row in rows]
        return [
            ScanJob(
                **{
                    **_fields(job),
                    "state": JobState.LEASED,
                    "attempts": job.attempts + 1,
                    "worker": worker,
                    "lease": token,
                    "lease_until": until,
                }
            )
            for job in found
        ]

    def extend(self, id: str, lease: str, until: int) -> bool:  # noqa: A002  The field's name.
        """Extend a lease; False when it is lost or the job was cancelled."""
        return self._finish(id, lease, "lease_until = ?", (until,))

    def tell(self, id: str, lease: str, progress: Progress) -> bool:  # noqa: A002  The field's name.
        """Note how far a job is; False when the lease is lost."""
        return self._finish(id, lease, "progress = ?", (storable(json.dumps(asdict(progress))),))

    def done(self, id: str, lease: str, verdict: str, now: int) -> bool:  # noqa: A002  The field's name.
        """End a job with its verdict; False when the lease is lost."""
        return self._finish(id, lease, "state = 'done', verdict = ?, changed = ?", (verdict, now))

    def failed(self, id: str, lease: str, error: str, now: int, attempts: int) -> bool:  # noqa: A002  The field's name.
        """Give a job back, or up after so many attempts; False when the lease is lost."""
        return self._finish(
            id,
            lease,
            "state = CASE WHEN attempts >= ? THEN 'dead' ELSE 'queued' END, lease = '', error = ?, "
            "changed = ?",
            (attempts, storable(error[:1000]), now),
        )

    def expire(self, now: int, attempts: int) -> int:
        """Give back, or up, jobs whose lease has ended: their worker died. Return how many."""
        return self._database.execute(
            "UPDATE scan_jobs SET state = CASE WHEN attempts >= ? THEN 'dead' ELSE 'queued' END, "
            "error = 'the worker ' || worker || ' died', lease = '', changed = ? "
            "WHERE state = 'leased' AND lease_until < ?",
            (attempts, now, now),
        )

    def cancel(self, id: str, now: int) -> bool:  # noqa: A002  The field's name.
        """Cancel a job that is not done; who works on it loses the lease."""
        return bool(
            self._database.execute(
                "UPDATE scan_jobs SET state = 'cancelled', lease = '', changed = ? "
                "WHERE id = ? AND state IN ('queued', 'leased', 'dead')",
                (now, storable(id)),
            )
        )

    def retry(self, id: str, now: int) -> bool:  # noqa: A002  The field's name.
        """Put a job back that was given up or cancelled."""
        return bool(
            self._database.execute(
                "UPDATE scan_jobs SET state = 'queued', attempts = 0, changed = ? "
                "WHERE id = ? AND state IN ('dead', 'cancelled')",
                (now, storable(id)),
            )
        )

    def get(self, id: str) -> ScanJob | None:  # noqa: A002  The field's name.
        """Return a job."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_jobs WHERE id = ?", (storable(id),)
        )
        return _job(rows[0]) if rows else None

    def list(self, state: JobState | None = None, limit: int = 100) -> list[ScanJob]:
        """Return jobs, the latest first."""
        where = " WHERE state = ?" if state else ""
        parameters = (str(state),) if state else ()
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_jobs{where} ORDER BY changed DESC, id LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        return [_job(row) for row in rows]

    def done_since(self, time: int, limit: int = 1000) -> Sequence[tuple[int, ScanJob]]:
        """Return jobs that were done since a time, with when, the earliest first."""
        rows = self._database.query(
            f"SELECT {_COLUMNS}, changed FROM scan_jobs WHERE state = 'done' AND changed >= ? "
            "ORDER BY changed, id LIMIT ?",
            (time, max(0, min(limit, MAX_PAGE))),
        )
        return [(int(row[-1] or 0), _job(row)) for row in rows]

    def origin_of(self, sha256: str) -> Origin | None:
        """Return who got a sample over the network last; None where that is not known."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_jobs WHERE sha256 = ? ORDER BY changed DESC, id LIMIT 50",
            (sha256,),
        )
        return next((job.origin for job in map(_job, rows) if job.origin is not None), None)

    def is_awaited(self, sha256: str, besides: str = "") -> bool:
        """Tell whether a job of a sample is not done, besides one of them."""
        rows = self._database.query(
            "SELECT 1 FROM scan_jobs WHERE sha256 = ? AND id <> ? "
            "AND state IN ('queued', 'leased') LIMIT 1",
            (sha256, besides),
        )
        return bool(rows)

    def counts(self) -> dict[str, int]:
        """Return how many jobs there are by state, and the age of the oldest that waits."""
        rows = self._database.query("SELECT state, count(*) FROM scan_jobs GROUP BY state")
        return {str(state): int(count or 0) for state, count in rows}

    def oldest(self) -> int:
        """Return when the oldest job that waits was submitted; 0 where none waits."""
        rows = self._database.query("SELECT min(submitted) FROM scan_jobs WHERE state = 'queued'")
        return int(rows[0][0] or 0)

    def _begin_writing(self, now: int) -> None:
        """Take SQLite's lock for writing before looking, so that two workers see different jobs."""
        self._database.execute("UPDATE scan_jobs SET changed = ? WHERE id = ''", (now,))

    def _finish(self, id: str, lease: str, change: str, values: tuple[Any, ...]) -> bool:  # noqa: A002  The field's name.
        return bool(
            self._database.execute(
                f"UPDATE scan_jobs SET {change} WHERE id = ? AND state = 'leased' AND lease = ?",
                (*values, storable(id), storable(lease)),
            )
        )


def _body(job: ScanJob) -> dict[str, object]:
    body: dict[str, object] = {
        "engines": list(job.engines),
        "force": job.force,
        "passwords": list(job.passwords),
    }
    if job.origin is not None:
        body["origin"] = asdict(job.origin)
    return body


def _fields(job: ScanJob) -> dict[str, Any]:
    return {each.name: getattr(job, each.name) for each in fields(job)}


def _job(row: Row) -> ScanJob:
    values: tuple[Any, ...] = row
    body = json.loads(values[3])
    return ScanJob(
        id=values[0],
        sha256=values[1],
        name=values[2],
        engines=tuple(body["engines"]),
        force=body["force"],
        passwords=tuple(body["passwords"]),
        origin=Origin(**body["origin"]) if body.get("origin") else None,
        priority=values[4],
        state=JobState(values[5]),
        attempts=values[6],
        submitted=values[7],
        worker=values[8],
        lease=values[9],
        lease_until=values[10],
        verdict=values[11],
        error=values[12],
        progress=Progress(**json.loads(values[13])) if values[13] else Progress(),
    )
