"""kill -9 of a worker, of RabbitMQ, of PostgreSQL, of the master, while files are in work."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.system.workers.files import submitted
from tests.system.workers.plant import until

from phage.errors import StoreError
from phage.scan.master import LEASE_SECONDS
from phage.scan.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.workers.plant import Plant

    from phage.store.store import Store

T = TypeVar("T")

pytestmark = pytest.mark.system

FILES = int(os.environ.get("PHAGE_WORKER_FILES", "60"))
"""Files in work; `tools/soak.sh` takes 1,000."""

ENGINES = ("yara", "libmagic", "fingerprint")


def test_every_file_gets_its_verdict_once_whatever_is_killed(
    plant: Plant, record_property: Callable[[str, object], None]
) -> None:
    for name in ("one", "two"):
        plant.start_worker(name, *ENGINES)
    with plant.store() as store:
        until("workers", lambda: len(_asked(store.scan_workers.list, [])) == 2)
        began = time.monotonic()
        right = submitted(store, Vault(plant.state / "samples"), FILES)

        def done() -> int:
            return _asked(store.scan_jobs.counts, {}).get("done", 0)

        steps = (
            lambda: _restart(plant, "one", lambda: plant.start_worker("one", *ENGINES)),
            lambda: _restart(plant, "broker", plant.start_broker),
            lambda: _restart(plant, "database", plant.start_database),
            lambda: _restart(plant, "dispatcher", plant.start_dispatcher),
            lambda: _restart(plant, "master", plant.start_master),
            lambda: _restart(plant, "two", lambda: plant.start_worker("two", *ENGINES)),
        )
        for number, step in enumerate(steps, 1):
            share = FILES * number // (len(steps) + 2)
            until(f"{share} files", lambda share=share: done() >= share, 300 + FILES)  # type: ignore[misc]
            step()
        until("every verdict", lambda: done() == FILES, 300 + FILES)
        record_property("seconds", time.monotonic() - began)
        _check(store, right)


def _check(store: Store, right: dict[str, object]) -> None:
    jobs = store.scan_jobs.list(limit=10_000)
    verdicts = {job.id: store.samples.verdict_by_id(job.verdict) for job in jobs}
    wrong = {
        job: found and (found.outcome, found.reasons[:3])
        for job, found in verdicts.items()
        if found is None or found.outcome is not right[job]
    }
    assert not wrong
    assert len({job.verdict for job in jobs}) == len(right)
    twice = Counter(row[0] for row in store.database.query("SELECT sha256 FROM verdicts"))
    assert set(twice.values()) == {1}
    assert len(twice) == len(right)
    # Nothing is left over: no task, no lease, no plan.
    assert store.scan_tasks.open() == {}
    assert store.scan_tasks.overdue(int(time.time() * 1e9) + int(LEASE_SECONDS * 1e9)) == []
    assert store.database.query("SELECT count(*) FROM scan_plans") == [(0,)]


def _restart(plant: Plant, name: str, start: Callable[[], None]) -> None:
    plant.parts[name].kill()
    start()


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    """Ask the store, which may be down."""
    try:
        return ask()
    except StoreError:
        return otherwise
