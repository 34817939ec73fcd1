"""Plans and tasks of the many-worker mode: leased, fenced, answered once."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from phage.records.sample import EngineKind
from phage.records.scantask import PlannedPart, ScanPlan, ScanTask, TaskState
from phage.store.repositories.scanworkers import report_body, report_from
from phage.store.repositories.text import storable
from phage.store.repositories.verdictbody import result_body, result_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.sample import EngineResult
    from phage.store.database import Database, Row

FOR_EVER = 2**62
"""The lease of a job whose engines are asked: its tasks have leases of their own."""

ASKED = "engines"
"""Who has a job while its engines are asked."""

_COLUMNS = (
    "id, job, sha256, engine, priority, state, attempts, worker, lease, lease_until, published, "
    "error, body, answer"
)
_OPEN = "state IN ('queued', 'leased')"


class ScanTaskRepository:
    """Plans and tasks in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, plan: ScanPlan, tasks: Sequence[ScanTask], lease: str) -> bool:
        """Keep a plan with its tasks; False when the job's lease is lost.

        Whoever took the job apart lets go of it: it is done when its tasks are.
        """
        with self._database.transaction():
            held = self._database.execute(
                # Another token: who took it apart must not shorten the lease any more.
                "UPDATE scan_jobs SET lease_until = ?, worker = ?, lease = ? "
                "WHERE id = ? AND state = 'leased' AND lease = ?",
                (FOR_EVER, ASKED, secrets.token_hex(16), plan.job, lease),
            )
            if not held:
                return False
            self._database.execute("DELETE FROM scan_tasks WHERE job = ?", (plan.job,))
            self._database.execute(
                "INSERT INTO scan_plans (job, made, body) VALUES (?, ?, ?) "
                "ON CONFLICT (job) DO UPDATE SET made = excluded.made, body = excluded.body",
                (plan.job, plan.made, storable(json.dumps(_plan_body(plan)))),
            )
            self._database.execute_many(
                "INSERT INTO scan_tasks (id, job, sha256, engine, priority, state, attempts, made, "
                "worker, lease, lease_until, published, changed, error, body, answer) "
                "VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, '', '', 0, 0, ?, '', ?, '')",
                [
                    (
                        task.id,
                        task.job,
                        task.sha256,
                        task.engine,
                        int(task.priority),
                        plan.made,
                        plan.made,
                        storable(json.dumps(_task_body(task))),
                    )
                    for task in tasks
                ],
            )
        return True

    def unpublished(self, limit: int) -> list[ScanTask]:
        """Return tasks whose message is not sent yet, the most urgent first."""
        return self._tasks(
            "state = 'queued' AND published = 0 ORDER BY priority, made, id LIMIT ?", (limit,)
        )

    def published(self, ids: Sequence[str], now: int) -> None:
        """Note that messages were sent."""
        self._database.execute_many(
            "UPDATE scan_tasks SET published = ? WHERE id = ? AND state = 'queued'",
            [(now, each) for each in ids],
        )

    def unheard(self, engine: str, before: int) -> int:
        """Have messages of an engine sent again that were sent before a time and never came."""
        return self._database.execute(
            "UPDATE scan_tasks SET published = 0 WHERE engine = ? AND state = 'queued' "
            "AND published > 0 AND published < ?",
            (engine, before),
        )

    def claim(self, id: str, worker: str, now: int, until: int) -> ScanTask | None:  # noqa: A002  The field's name.
        """Lease a task to a worker; None when it is not to be had: done, or another's."""
        lease = secrets.token_hex(16)
        taken = self._database.execute(
            "UPDATE scan_tasks SET state = 'leased', attempts = attempts + 1, worker = ?, "
            "lease = ?, lease_until = ?, changed = ? WHERE id = ? AND state = 'queued'",
            (storable(worker), lease, until, now, storable(id)),
        )
        found = self.get(id) if taken else None
        return found if found is not None and found.lease == lease else None

    def extend(self, id: str, lease: str, until: int) -> bool:  # noqa: A002  The field's name.
        """Extend a lease; False when it is lost."""
        return bool(
            self._database.execute(
                "UPDATE scan_tasks SET lease_until = ? "
                "WHERE id = ? AND state = 'leased' AND lease = ?",
                (until, storable(id), storable(lease)),
            )
        )

    def answer(
        self,
        task: ScanTask,
        result: EngineResult,
        tags: Sequence[str],
        now: int,
    ) -> bool:
        """Keep what an engine said, once; False when the task's lease is lost."""
        return self._end(task.id, task.lease, TaskState.DONE, result, tags, now)

    def give_back(self, id: str, lease: str, error: str, now: int) -> bool:  # noqa: A002  The field's name.
        """Put a task back that a worker cannot do; False when the lease is lost."""
        return bool(
            self._database.execute(
                "UPDATE scan_tasks SET state = 'queued', lease = '', published = 0, error = ?, "
                "changed = ? WHERE id = ? AND state = 'leased' AND lease = ?",
                (storable(error[:1000]), now, storable(id), storable(lease)),
            )
        )

    def bury(self, task: ScanTask, result: EngineResult, tags: Sequence[str], now: int) -> bool:
        """Give a task up, with what is said of it instead of an answer; once."""
        return self._end(task.id, task.lease, TaskState.DEAD, result, tags, now)

    def overdue(self, now: int, limit: int = 1000) -> list[ScanTask]:
        """Return tasks whose lease has ended: their worker died."""
        return self._tasks(
            "state = 'leased' AND lease_until < ? ORDER BY lease_until, id LIMIT ?", (now, limit)
        )

    def waiting(self, engine: str, before: int, limit: int = 1000) -> list[ScanTask]:
        """Return tasks of an engine that have waited since before a time."""
        return self._tasks(
            "state = 'queued' AND engine = ? AND changed < ? ORDER BY changed, id LIMIT ?",
            (engine, before, limit),
        )

    def open(self) -> dict[str, tuple[int, int]]:
        """Return how many tasks of each engine wait and how many are at work."""
        rows = self._database.query(
            f"SELECT engine, sum(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), "
            f"sum(CASE WHEN state = 'leased' THEN 1 ELSE 0 END) FROM scan_tasks WHERE {_OPEN} "
            "GROUP BY engine"
        )
        return {str(row[0]): (int(row[1] or 0), int(row[2] or 0)) for row in rows}

    def count_open(self) -> int:
        """Return how many tasks are not done."""
        return int(
            self._database.query(f"SELECT count(*) FROM scan_tasks WHERE {_OPEN}")[0][0] or 0
        )

    def dead(self, limit: int = 100) -> list[ScanTask]:
        """Return tasks that were given up and whose job still waits for others."""
        return self._tasks("state = 'dead' ORDER BY changed DESC, id LIMIT ?", (limit,))

    def at_work(self, worker: str, limit: int = 100) -> list[ScanTask]:
        """Return what a worker has."""
        return self._tasks("state = 'leased' AND worker = ? LIMIT ?", (storable(worker), limit))

    def get(self, id: str) -> ScanTask | None:  # noqa: A002  The field's name.
        """Return a task."""
        found = self._tasks("id = ?", (storable(id),))
        return found[0] if found else None

    def of(self, job: str) -> list[ScanTask]:
        """Return all tasks of a job."""
        return self._tasks("job = ?", (storable(job),))

    def told(self, job: str, limit: int = 500) -> list[EngineResult]:
        """Return what engines have said so far in a job, the last first."""
        rows = self._database.query(
            "SELECT answer FROM scan_tasks WHERE job = ? AND answer <> '' "
            "ORDER BY changed DESC, id LIMIT ?",
            (storable(job), limit),
        )
        return [result_from(json.loads(str(row[0]))["result"]) for row in rows]

    def finished(self, limit: int = 100) -> list[str]:
        """Return jobs all of whose tasks have ended, those planned first first."""
        rows = self._database.query(
            "SELECT job FROM scan_plans WHERE NOT EXISTS (SELECT 1 FROM scan_tasks "
            f"WHERE scan_tasks.job = scan_plans.job AND {_OPEN}) ORDER BY made, job LIMIT ?",
            (limit,),
        )
        return [str(row[0]) for row in rows]

    def planned(self, job: str) -> ScanPlan | None:
        """Return the plan of a job; None when there is none any more."""
        rows = self._database.query(
            "SELECT made, body FROM scan_plans WHERE job = ?", (storable(job),)
        )
        return _plan(job, rows[0]) if rows else None

    def forget(self, job: str) -> None:
        """Remove the plan of a job and its tasks."""
        with self._database.transaction():
            self._database.execute("DELETE FROM scan_tasks WHERE job = ?", (storable(job),))
            self._database.execute("DELETE FROM scan_plans WHERE job = ?", (storable(job),))

    def abandoned(self, limit: int = 100) -> list[str]:
        """Return planned jobs that are nobody's any more: cancelled, or done some other way."""
        rows = self._database.query(
            "SELECT job FROM scan_plans WHERE NOT EXISTS (SELECT 1 FROM scan_jobs WHERE "
            "scan_jobs.id = scan_plans.job AND state = 'leased' AND lease_until = ?) LIMIT ?",
            (FOR_EVER, limit),
        )
        return [str(row[0]) for row in rows]

    def finish(self, job: str, verdict: str, now: int) -> bool:
        """Note the verdict of a job, once; False when somebody else did, or it was cancelled.

        To be called in the transaction that saves the verdict.
        """
        return bool(
            self._database.execute(
                "UPDATE scan_jobs SET state = 'done', verdict = ?, changed = ? "
                "WHERE id = ? AND state = 'leased' AND lease_until = ?",
                (verdict, now, storable(job), FOR_EVER),
            )
        )

    def again(self, job: str, error: str, now: int, attempts: int) -> bool:
        """Have a planned job taken apart anew, or give it up after so many attempts."""
        return bool(
            self._database.execute(
                "UPDATE scan_jobs SET state = CASE WHEN attempts >= ? THEN 'dead' ELSE 'queued' "
                "END, lease = '', lease_until = 0, error = ?, changed = ? "
                "WHERE id = ? AND state = 'leased' AND lease_until = ?",
                (attempts, storable(error[:1000]), now, storable(job), FOR_EVER),
            )
        )

    def _end(
        self,
        id: str,  # noqa: A002  The field's name.
        lease: str,
        state: TaskState,
        result: EngineResult,
        tags: Sequence[str],
        now: int,
    ) -> bool:
        body = {"result": result_body(result), "tags": list(tags)}
        return bool(
            self._database.execute(
                "UPDATE scan_tasks SET state = ?, answer = ?, error = ?, changed = ?, lease = '' "
                f"WHERE id = ? AND lease = ? AND {_OPEN}",
                (
                    str(state),
                    storable(json.dumps(body)),
                    storable(result.error[:1000]),
                    now,
                    storable(id),
                    storable(lease),
                ),
            )
        )

    def _tasks(self, where: str, parameters: Sequence[str | int]) -> list[ScanTask]:
        rows = self._database.query(f"SELECT {_COLUMNS} FROM scan_tasks WHERE {where}", parameters)
        return [_task(row) for row in rows]


def _task_body(task: ScanTask) -> dict[str, Any]:
    return {
        "name": task.name,
        "kind": task.kind,
        "size": task.size,
        "options": task.options,
        "engine_kind": str(task.engine_kind),
    }


def _task(row: Row) -> ScanTask:
    values: tuple[Any, ...] = row
    body, answer = json.loads(values[12]), json.loads(values[13]) if values[13] else None
    return ScanTask(
        id=values[0],
        job=values[1],
        sha256=values[2],
        engine=values[3],
        priority=values[4],
        state=TaskState(values[5]),
        attempts=values[6],
        worker=values[7],
        lease=values[8],
        lease_until=values[9],
        published=values[10],
        error=values[11],
        name=body["name"],
        kind=body["kind"],
        size=body["size"],
        options=body["options"],
        engine_kind=EngineKind(body["engine_kind"]),
        answer=result_from(answer["result"]) if answer else None,
        tags=tuple(answer["tags"]) if answer else (),
    )


def _plan_body(plan: ScanPlan) -> dict[str, Any]:
    return {
        "sample": [plan.sha256, plan.sha1, plan.md5],
        "parts": [
            [list(each.path), each.sha256, each.size, each.kind, each.judged_only]
            for each in plan.parts
        ],
        "faults": [[list(path), text] for path, text in plan.faults],
        "tags": list(plan.tags),
        "engines": [report_body(each) for each in plan.engines],
        "isolation": plan.isolation,
    }


def _plan(job: str, row: Row) -> ScanPlan:
    made, text = row
    body: Mapping[str, Any] = json.loads(str(text))
    sha256, sha1, md5 = body["sample"]
    return ScanPlan(
        job=job,
        sha256=sha256,
        sha1=sha1,
        md5=md5,
        made=int(made or 0),
        parts=tuple(PlannedPart(tuple(each[0]), *each[1:]) for each in body["parts"]),
        faults=tuple((tuple(path), text) for path, text in body["faults"]),
        tags=tuple(body["tags"]),
        engines=tuple(report_from(each) for each in body["engines"]),
        isolation=body["isolation"],
    )
