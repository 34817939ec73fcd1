"""The engines of all workers, as pages and the desk see them; workers on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from phage.cli.commands.workers import command
from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.daemon.workerboard import WorkerBoard
from phage.errors import PhageError
from phage.scan.desk import UnknownEngineError
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.workers import a_fleet, a_release, some_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    clock = SystemClock()
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as made:
        for worker in some_workers(clock.now()):
            made.scan_workers.seen(worker, 0)
        made.scan_releases.add(a_release(clock.now()))
        made.scan_fleets.seen(a_fleet(clock.now()))
        yield made


def test_engines_of_workers(store: Store) -> None:
    board = WorkerBoard(ScanSettings(), store, SystemClock())
    engines = {each.name: each for each in board.engines()}
    assert engines["clamav"].state == "ready"
    assert engines["clamav"].summary == "on scan-1, scan-2"
    assert (engines["yara"].state, engines["yara"].reason) == (
        "unavailable",
        "eicar.com: says undetected",
    )
    assert board.fingerprint()
    with pytest.raises(PhageError, match="tested by its workers"):
        board.test("yara")
    with pytest.raises(UnknownEngineError):
        board.test("nothing")
    later = FixedClock(SystemClock().now() + 2 * 86_400 * 10**9)
    assert WorkerBoard(ScanSettings(), store, later).fingerprint() == ""


def asked(store: Store, *words: str) -> str:
    folder = store.database.place.rpartition("/")[0]
    done = CliRunner().invoke(command, [*words, "--state-dir", folder], catch_exceptions=True)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_the_command_line_tells_the_same(store: Store) -> None:
    listed = json.loads(asked(store, "list", "--output", "json"))
    assert [(each["name"], each["state"]) for each in listed] == [
        ("scan-1", "here"),
        ("scan-2", "gone"),
    ]
    assert "isolation full" in asked(store, "show", "scan-1")
    queues = json.loads(asked(store, "queues", "--output", "json"))
    assert {each["engine"]: each["workers"] for each in queues} == {
        "clamav": ["scan-1"],
        "magika": ["scan-1"],
        "yara": [],
    }
    asked(store, "end", "scan-1")
    ending = store.scan_workers.get("scan-1")
    assert ending is not None
    assert ending.ending
    asked(store, "forget", "scan-2")
    assert store.scan_workers.get("scan-2") is None
    (fleet,) = json.loads(asked(store, "fleets", "--output", "json"))
    assert fleet["fault"] == "EC2: no capacity"
    asked(store, "scale", "clamav", "3")
    assert store.scan_fleets.list()[0].fixed == 3
    asked(store, "scale", "clamav", "auto")
    assert store.scan_fleets.list()[0].fixed is None
    (release,) = json.loads(asked(store, "releases", "--output", "json"))
    asked(store, "withdraw", release["id"])
    assert store.scan_releases.list()[0].state == "withdrawn"
