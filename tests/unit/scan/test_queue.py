"""The local queue: jobs are done once, also when workers fail or die."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.errors import PhageError
from phage.records.scanjob import JobState, ScanJob
from phage.scan.queue import QueueError
from phage.scan.queues.local import LocalQueue
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.schema import migrate
from phage.store.store import Store
from phage.testing.records import EPOCH
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = SqliteDatabase(tmp_path / "store.sqlite3")
    migrate(database, 1)
    with Store(database) as made:
        yield made


def serve(
    queue: LocalQueue, handle: Callable[[ScanJob], str], count: int, ready: Callable[[], bool]
) -> None:
    stop = threading.Event()
    threads = [
        threading.Thread(target=queue.serve, args=(f"w{number}", handle, stop))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        until("what the queue has to do", ready)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_every_job_is_done_once(store: Store) -> None:
    queue = LocalQueue(table=store.scan_jobs)
    done: list[str] = []

    def handle(job: ScanJob) -> str:
        done.append(job.id)
        return f"verdict of {job.id}"

    assert queue.put([ScanJob(f"j{number}", "a" * 64) for number in range(40)]) == 40
    serve(queue, handle, 3, lambda: queue.state().counts.get("done", 0) == 40)
    assert sorted(done) == sorted(f"j{number}" for number in range(40))
    job = queue.get("j7")
    assert job is not None
    assert job.verdict == "verdict of j7"


def test_a_job_that_fails_is_given_up(store: Store) -> None:
    queue = LocalQueue(table=store.scan_jobs)
    tries: list[int] = []

    def handle(job: ScanJob) -> str:
        tries.append(job.attempts)
        message = "cannot be done"
        raise PhageError(message)

    queue.put([ScanJob("j", "a" * 64)])
    serve(queue, handle, 2, lambda: queue.state().counts.get("dead", 0) == 1)
    assert tries == [1, 2, 3]
    job = queue.get("j")
    assert job is not None
    assert (job.state, job.error) == (JobState.DEAD, "cannot be done")
    assert queue.retry("j")
    assert queue.cancel("j")


def test_a_dead_worker_loses_its_job(store: Store) -> None:
    """What a worker says after its lease has ended is refused."""
    queue = LocalQueue(table=store.scan_jobs)
    queue.put([ScanJob("j", "a" * 64)])
    clock = SystemClock()
    (lost,) = store.scan_jobs.lease("dead", 1, clock.now(), clock.now() + 10**8)
    serve(queue, lambda _: "second", 1, lambda: queue.state().counts.get("done", 0) == 1)
    assert not store.scan_jobs.done("j", lost.lease, "first", clock.now())
    job = queue.get("j")
    assert job is not None
    assert (job.verdict, job.attempts) == ("second", 2)


def test_a_slow_worker_keeps_its_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, extended, extend = FixedClock(EPOCH), [], store.scan_jobs.extend
    queue = LocalQueue(table=store.scan_jobs, lease_seconds=0.3, clock=clock)
    tries: list[str] = []

    def count(*arguments: Any) -> bool:
        kept = extend(*arguments)
        extended.append(kept)
        return kept

    def handle(job: ScanJob) -> str:
        tries.append(job.worker)
        for _ in range(5):  # A second, in which the lease would have ended three times.
            clock.nanoseconds += 2 * 10**8
            before = len(extended)
            until("the lease to be extended", lambda before=before: len(extended) >= before + 2)  # type: ignore[misc]
        return "v"

    monkeypatch.setattr(store.scan_jobs, "extend", count)

    queue.put([ScanJob("j", "a" * 64)])
    serve(queue, handle, 2, lambda: queue.state().counts.get("done", 0) == 1)
    assert len(tries) == 1


def test_a_full_queue_refuses(store: Store) -> None:
    queue = LocalQueue(table=store.scan_jobs, most=2)
    assert queue.put([ScanJob(f"j{number}", "a" * 64) for number in range(5)]) == 2
    assert queue.state().refused == 3


def test_without_a_store_it_says_so() -> None:
    with pytest.raises(QueueError, match="no store"):
        LocalQueue().state()


def test_a_handler_may_fail_in_any_way(store: Store) -> None:
    queue = LocalQueue(table=store.scan_jobs)

    def handle(job: ScanJob) -> str:
        if job.id == "bad":
            message = "no space left on device"
            raise OSError(message)
        return "verdict"

    queue.put([ScanJob("bad", "a" * 64), ScanJob("good", "b" * 64)])
    serve(queue, handle, 1, lambda: queue.state().counts.get("done", 0) == 1)
    bad = queue.get("bad")
    assert bad is not None
    assert bad.error == "no space left on device"
