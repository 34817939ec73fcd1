"""Fleets kept at their size: started, ended in peace, replaced when silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.config.scan import FleetSettings, WorkerSettings
from phage.daemon.fleets import KEEPER_NS, Fleet, Fleets
from phage.errors import ConfigError
from phage.records.scantask import WorkerReport
from phage.scan.launcher import Joining, LaunchError, Machine
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.schema import migrate
from phage.store.store import Store
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

JOINING = Joining("https://m", "t", "amqp://q")


@dataclass
class FakeLauncher:
    """Machines in a list."""

    there: list[Machine] = field(default_factory=list)
    count: int = 0
    fault: str = ""

    def start(self, fleet: str, worker: str, joining: Joining) -> Machine:
        if self.fault:
            raise LaunchError(self.fault)
        self.count += 1
        machine = Machine(f"m{self.count}", worker)
        self.there.append(machine)
        return machine

    def machines(self, fleet: str) -> Sequence[Machine]:
        return list(self.there)

    def end(self, machine: Machine) -> None:
        self.there = [each for each in self.there if each.id != machine.id]

    def close(self) -> None:
        pass


@dataclass
class Yard:
    """A fleet with a fake launcher and a clock."""

    fleet: Fleet
    launcher: FakeLauncher
    clock: FixedClock
    silent: set[str] = field(default_factory=set)

    def look(self, waiting: int = 0, fixed: int | None = None, after: float = 10.0) -> list[str]:
        """Look after some seconds; return the workers that are to end."""
        self.clock.nanoseconds += int(after * 1e9)
        now = self.clock.now()
        workers = {
            each.worker: WorkerReport(each.worker, seen=now)
            for each in self.launcher.there
            if each.worker not in self.silent
        }
        return self.fleet.look(JOINING, waiting, fixed, workers)[2]


@pytest.fixture
def yard() -> Yard:
    settings = FleetSettings(copies=1, most=3, tasks_each=100, settle=30, idle=100, boot=300)
    launcher, clock = FakeLauncher(), FixedClock(EPOCH)
    return Yard(Fleet("av", settings, launcher, clock), launcher, clock)  # type: ignore[arg-type]


def test_started_as_needed_and_ended_in_peace(yard: Yard) -> None:
    yard.look()
    assert len(yard.launcher.there) == 1
    yard.look(waiting=250, after=31)
    assert len(yard.launcher.there) == 3
    leaving: list[str] = []
    for _ in range(12):
        leaving = yard.look()
    assert len(leaving) == 1
    # It is at work still: it is not taken away.
    assert len(yard.launcher.there) == 3
    yard.silent.add(leaving[0])
    yard.look()
    assert leaving[0] not in {each.worker for each in yard.launcher.there}


def test_one_that_is_silent_is_replaced(yard: Yard) -> None:
    yard.look()
    (first,) = yard.launcher.there
    yard.silent.add(first.worker)
    yard.look(after=200)
    assert [each.id for each in yard.launcher.there] == [first.id]
    yard.look(after=200)
    assert [each.id for each in yard.launcher.there] == ["m2"]


def test_a_master_that_is_away_costs_no_fleet(yard: Yard) -> None:
    yard.look(waiting=250)
    old = {each.id for each in yard.launcher.there}
    assert len(old) == 3
    yard.look(waiting=250, after=400)
    workers = {each.worker for each in yard.launcher.there}
    yard.silent |= workers
    for _ in range(200):  # Its API is away for 2,000 s: nobody is heard.
        yard.look(waiting=250)
        yard.silent |= {each.worker for each in yard.launcher.there}
    there = {each.id for each in yard.launcher.there}
    assert (len(there), len(there & old)) == (3, 2)  # One was replaced, to see.
    back = sorted(yard.silent)
    while back:  # It is back: they are heard one after the other.
        yard.silent.discard(back.pop())
        yard.look(waiting=250, after=1)
    yard.look(waiting=250, after=100)
    assert {each.id for each in yard.launcher.there} == there


def test_one_of_several_that_is_silent_is_replaced(yard: Yard) -> None:
    yard.look(waiting=250)
    yard.look(waiting=250, after=400)
    lost = yard.launcher.there[0]
    yard.silent.add(lost.worker)
    for _ in range(3):
        yard.look(waiting=250, after=200)
    assert lost not in yard.launcher.there
    assert len(yard.launcher.there) == 3


def test_one_that_will_not_end_is_ended(yard: Yard) -> None:
    yard.look()
    assert len(yard.look(fixed=0)) == 1
    assert len(yard.launcher.there) == 1
    yard.look(fixed=0, after=301)
    assert yard.launcher.there == []


def test_one_that_crashed_is_started_anew(yard: Yard) -> None:
    yard.look()
    yard.launcher.there.clear()
    yard.look()
    assert [each.id for each in yard.launcher.there] == ["m2"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = SqliteDatabase(tmp_path / "store.sqlite3")
    migrate(database, 1)
    with Store(database) as made:
        yield made


def settings(tmp_path: Path, **fleet: object) -> WorkerSettings:
    (tmp_path / "token").write_text("phage_x\n")
    (tmp_path / "url").write_text("amqp://worker:x@mq//\n")
    for name in ("token", "url"):
        (tmp_path / name).chmod(0o600)
    return WorkerSettings(
        fleets={"av": FleetSettings(**fleet)},  # type: ignore[arg-type]
        join_url="https://master:8080",
        token_file=tmp_path / "token",
        queue_url_file=tmp_path / "url",
    )


def test_what_is_wrong_with_a_fleet_is_told_at_once(store: Store, tmp_path: Path) -> None:
    clock = FixedClock(EPOCH)
    with pytest.raises(ConfigError, match="there is no 'moon'"):
        Fleets(settings(tmp_path, launcher="moon"), store, clock)
    with pytest.raises(ConfigError, match="join_url"):
        Fleets(WorkerSettings(fleets={"av": FleetSettings()}), store, clock)


def test_a_person_s_word_counts_and_faults_are_told(store: Store, tmp_path: Path) -> None:
    fleets = Fleets(settings(tmp_path, copies=1, most=3), store, FixedClock(EPOCH))
    launcher = FakeLauncher(fault="no capacity")
    fleets._fleets[0]._launcher = launcher  # type: ignore[assignment]
    fleets.look()
    (row,) = store.scan_fleets.list()
    assert (row.fault, row.fixed) == ("no capacity", None)
    launcher.fault = ""
    assert store.scan_fleets.fix("av", 3)
    assert not store.scan_fleets.fix("other", 3)
    fleets.look()
    (row,) = store.scan_fleets.list()
    assert (len(row.machines), row.wanted, row.fixed, row.fault) == (3, 3, 3, "")
    fleets.close()
    Fleets(WorkerSettings(), store, FixedClock(EPOCH)).start()
    assert store.scan_fleets.list() == []


def test_of_several_dispatchers_one_looks_after_fleets(store: Store, tmp_path: Path) -> None:
    clock = FixedClock(EPOCH)
    both = [Fleets(settings(tmp_path, copies=1), store, clock) for _ in range(2)]
    launchers = [FakeLauncher(), FakeLauncher()]
    for fleets, launcher in zip(both, launchers, strict=True):
        fleets._fleets[0]._launcher = launcher  # type: ignore[assignment]
        fleets.look()
    assert [each.count for each in launchers] == [1, 0]
    clock.nanoseconds += KEEPER_NS + 1
    both[1].look()
    both[0].look()
    assert [each.count for each in launchers] == [1, 1]
