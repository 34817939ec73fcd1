"""The sandbox: its walls, and engines that misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.errors import PhageError
from phage.records.sample import Category, EngineResult
from phage.scan.content import Content
from phage.scan.engineset import EngineSet, ready_of
from phage.scan.sandbox.isolation import Isolation, Level
from phage.scan.sandbox.sandbox import Plan, Sandbox
from phage.scan.sandbox.workbench import MOST_REASON, Workbench
from phage.scan.work import CRASHES_ENGINE, NoResults, Worker, WorkOptions
from phage.testing.misbehaving import MisbehavingEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINES = EngineSet({"misbehaving": ready_of(MisbehavingEngine())}, {}, {})


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """Return a worker with the engine that misbehaves."""
    made = Worker(ENGINES, NoResults(), SystemClock(), WorkOptions(unpack=False))
    made.start()
    yield made
    made.close()


def ask(worker: Worker, word: str) -> EngineResult:
    with Content.of_bytes(f"{word} and then some".encode()) as content:
        (row,) = worker.ask(content, ["misbehaving"])
    return row


@pytest.mark.parametrize("bubblewrap", [True, False])
def test_walls(bubblewrap: bool) -> None:
    sandbox = Sandbox(Plan(bubblewrap=bubblewrap), SystemClock())
    try:
        isolation = sandbox.start()
    finally:
        sandbox.close()
    for wall in ("user", "network", "memory", "hoarding", "processes", "calls", "writing"):
        assert not isolation.walls[wall], isolation
    if bubblewrap and isolation.means == "bubblewrap":
        assert isolation.level is Level.FULL
        assert not isolation.reason
    else:
        assert isolation.level.rank >= Level.PARTIAL.rank


def test_why_an_engine_lacks_is_said_in_few_words() -> None:
    bench = Workbench()
    odd = {"name": "odd", "module": "json", "class": "x" * 100_000, "settings": {}}
    bench.load({"engines": [odd], "unpack": False})
    assert bench.lacking["odd"].startswith("module 'json' has no attribute")
    assert len(bench.lacking["odd"]) == MOST_REASON


def test_levels() -> None:
    whole = {"user": "", "network": "", "memory": "", "processes": "", "files": ""}
    assert Isolation.of(whole, "x").level is Level.FULL
    assert Isolation.of({**whole, "files": "read"}, "x").level is Level.PARTIAL
    none = Isolation.of({**whole, "user": "runs as root"}, "x", "no bubblewrap")
    assert none.level is Level.NONE
    assert none.reason == "no bubblewrap; runs as root"


def test_too_weak_isolation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = Isolation(Level.NONE, reason="as the test says")
    worker = Worker(ENGINES, NoResults(), SystemClock(), WorkOptions(unpack=False))
    monkeypatch.setattr(worker._bench, "start", lambda: weak)
    with pytest.raises(PhageError, match="as the test says"):
        worker.start()


@pytest.mark.parametrize("word", ["hang", "spin"])
def test_what_hangs_is_killed(worker: Worker, word: str) -> None:
    assert ask(worker, word).category is Category.TIMEOUT
    assert ask(worker, "evil").label == "Evil"


@pytest.mark.parametrize("word", ["crash", "leave", "flood", "lie"])
def test_what_crashes_is_asked_twice_and_no_more(worker: Worker, word: str) -> None:
    first = ask(worker, word)
    assert first.category is Category.FAILURE
    assert "its process" in first.error
    again = ask(worker, word)
    assert again.error == "this file has ended the engine 2 times"
    assert ask(worker, "evil").label == "Evil"


def test_a_lost_zygote_is_replaced(worker: Worker) -> None:
    assert ask(worker, "zygote").category is not Category.MALICIOUS
    assert ask(worker, "evil").label == "Evil"


def test_crashes_are_tagged() -> None:
    worker = Worker(ENGINES, NoResults(), SystemClock(), WorkOptions(unpack=False))
    worker.start()
    try:
        with Content.of_bytes(b"crash it") as content:
            found = worker.scan(content)
    finally:
        worker.close()
    assert CRASHES_ENGINE in found.tags


@pytest.mark.parametrize("word", ["raise", "swallow"])
def test_exceptions_are_failures(worker: Worker, word: str) -> None:
    row = ask(worker, word)
    assert row.category is Category.FAILURE
    assert "as the file says" in row.error or "memory" in row.error


def test_children_are_killed_with_it(worker: Worker) -> None:
    assert ask(worker, "fork").category is Category.UNDETECTED
    assert ask(worker, "evil").label == "Evil"


def test_facts_are_bounded(worker: Worker) -> None:
    row = ask(worker, "chatter")
    if row.category is Category.UNDETECTED:  # More than a message may hold ends the child.
        assert len(row.facts) <= 1001
        assert all(len(str(value)) <= 1000 for value in row.facts.values())
    assert ask(worker, "evil").label == "Evil"


def test_ends_of_children_that_nobody_asks_for_block_nothing(worker: Worker) -> None:
    """A socket holds the news of less than 300 ended children."""
    assert {ask(worker, "evil").label for _ in range(400)} == {"Evil"}
