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
    from collections.abc import Callable, Mapping

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
        until("workers", lambda: _asked(lambda: len(store.scan_workers.list()), 0) == 2)
        began = time.monotonic()
        right = submitted(store, Vault(plant.state / "samples"), FILES)

        def done() -> int:
            return _asked(lambda: store.scan_jobs.counts().get("done", 0), 0)

        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("one", lambda: plant.start_worker("one", *ENGINES)),
            ("broker", plant.start_broker),
            ("database", plant.start_database),
            ("dispatcher", plant.start_dispatcher),
            ("master", plant.start_master),
            ("two", lambda: plant.start_worker("two", *ENGINES)),
        )
        for number, (name, start) in enumerate(steps, 1):
            share = FILES * number // (len(steps) + 2)
            until(f"{share} files", lambda share=share: done() >= share, 300 + FILES)  # type: ignore[misc]
            plant.parts[name].kill()
            start()
        until("every verdict", lambda: done() == FILES, 300 + FILES)
        record_property("seconds", time.monotonic() - began)
        _check(store, right)


def _check(store: Store, right: Mapping[str, object]) -> None:
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


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    """Ask the store, which may be down."""
    try:
        return ask()
    except StoreError:
        return otherwise
