"""Many workers without a broker: samples taken apart, tasks leased, answers made verdicts, once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.config.scan import ScanSettings, UnpackSettings
from phage.daemon.dispatch import Dispatcher
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.workdesk import GONE_NS, LEASE_NS, LocalWorkDesk
from phage.records.sample import Category, EngineKind, EngineVersion, Outcome
from phage.records.scanjob import JobState, ScanJob
from phage.records.scantask import EngineReport, TaskState, WorkerReport
from phage.scan.content import Content
from phage.scan.master import MasterError
from phage.scan.queue import ATTEMPTS, QueueError
from phage.scan.queues.celery import LOST_NS, CeleryQueue
from phage.scan.trials import EICAR
from phage.scan.vault import Vault, revealed
from phage.scan.work import CRASHES_ENGINE
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.schema import migrate
from phage.store.store import Store
from phage.testing import containers
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from phage.records.scantask import ScanTask

TOKEN = "0123456789ab"
JOB = "0" * 31 + "1"


@dataclass
class FakePublisher:
    """A broker: what was sent, and whether it is away."""

    sent: list[str] = field(default_factory=list)
    away: bool = False

    def publish(self, tasks: Sequence[ScanTask]) -> list[str]:
        if self.away:
            message = "RabbitMQ is away"
            raise QueueError(message)
        self.sent += [task.id for task in tasks]
        return [task.id for task in tasks]

    def depth(self, engine: str) -> int:
        return 0

    def close(self) -> None:
        pass


@dataclass
class Farm:
    """A master without threads."""

    store: Store
    clock: FixedClock
    desk: LocalWorkDesk
    dispatcher: Dispatcher
    queue: CeleryQueue
    broker: FakePublisher
    vault: Vault

    def beat(self, name: str = "w", *engines: str, **about: Any) -> None:
        reports = tuple(
            EngineReport(each, version=EngineVersion("1", "d"), options="o", largest=10**6)
            for each in engines or ("yara",)
        )
        now = self.clock.now()
        values = {"token": TOKEN, "isolation": "full", "seen": now, "started": now, **about}
        self.desk.beat(WorkerReport(name, engines=reports, **values))

    def submit(self, data: bytes, name: str = "a.txt", job: str = JOB) -> None:
        """Have a sample taken apart."""
        with Content.of_bytes(data, name) as content:
            self.vault.put(content)
            sha256 = content.hashes.sha256
        self.queue.put([ScanJob(job, sha256, name)])
        self.take()

    def take(self) -> str:
        now = self.clock.now()
        (job,) = self.store.scan_jobs.lease("master", 1, now, now + 10**9)
        return self.dispatcher.handle(job)

    def tasks(self, job: str = JOB) -> list[ScanTask]:
        return self.store.scan_tasks.of(job)

    def answer(self, task: ScanTask, worker: str = "w", **said: Any) -> bool:
        claim = self.desk.claim(task.id, worker, TOKEN)
        assert claim is not None
        told = {"category": "undetected", "version": "1", "definitions": "d", "options": "o"}
        return self.desk.answer(task.id, claim.lease, {**told, **said})


@pytest.fixture
def farm(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Farm]:
    """Give a master; samples are taken apart, in the sandbox, where a test asks for that."""
    clock = FixedClock(EPOCH)
    database = SqliteDatabase(tmp_path / "store.sqlite3")
    migrate(database, 1)
    folders = ScanFolders(tmp_path / "engines", tmp_path / "samples")
    unpack = UnpackSettings(enabled=getattr(request, "param", "") == "unpack")
    settings = ScanSettings(queue="celery", isolation="none", unpack=unpack)
    with Store(database) as store:
        queue = CeleryQueue(url="amqp://h", table=store.scan_jobs, tasks=store.scan_tasks)
        queue.clock = clock
        broker = FakePublisher()
        queue._publisher = broker  # type: ignore[assignment]
        dispatcher = Dispatcher(settings, folders, store, queue, clock)
        vault = Vault(folders.samples)
        vault.folder.mkdir()
        desk = LocalWorkDesk(settings, folders, store, clock)
        made = Farm(store, clock, desk, dispatcher, queue, broker, vault)
        yield made
        for planner in dispatcher._planners:
            planner.close()


def verdict(farm: Farm, job: str = JOB) -> Any:
    found = farm.store.scan_jobs.get(job)
    assert found is not None
    assert found.state is JobState.DONE
    return farm.store.samples.verdict_by_id(found.verdict)


def test_a_file_gets_its_verdict(farm: Farm) -> None:
    farm.beat("w", "yara", "clamav")
    farm.submit(b"hello")
    tasks = farm.tasks()
    assert sorted(task.engine for task in tasks) == ["clamav", "yara"]
    assert farm.dispatcher.tick() == 0
    assert sorted(farm.broker.sent) == sorted(task.id for task in tasks)
    assert all(farm.answer(task) for task in tasks)
    assert farm.dispatcher.tick() == 1
    assert verdict(farm).outcome is Outcome.CLEAN
    assert farm.tasks() == []
    assert farm.dispatcher.tick() == 0
    # What is known is not asked again.
    farm.submit(b"hello", "b.txt", job="2" * 32)
    assert farm.tasks("2" * 32) == []
    (sample,) = farm.store.samples.list()
    assert (sample.submissions, sample.names) == (2, ("a.txt", "b.txt"))


@pytest.mark.parametrize("farm", ["unpack"], indirect=True)
def test_members_are_tasks_and_lie_by_until_the_verdict(farm: Farm) -> None:
    farm.beat()
    farm.submit(containers.zipped(containers.zipped(EICAR, "e.com"), "in.zip"), "a.zip")
    tasks = farm.tasks()
    assert len(tasks) == 3
    for task in tasks:
        claim = farm.desk.claim(task.id, "w", TOKEN)
        assert claim is not None
        file, _ = farm.desk.sample(task.id, claim.lease)
        with file, revealed(file) as content:
            assert content.hashes.sha256 == task.sha256
            bad = content.read_at(0, 100) == EICAR
        said = {"category": "malicious", "label": "Eicar"} if bad else {"category": "undetected"}
        assert farm.desk.answer(task.id, claim.lease, said)
    farm.dispatcher.tick()
    found = verdict(farm)
    assert found.outcome is Outcome.INFECTED
    assert found.reasons[0].text == "yara: Eicar in a.zip > in.zip > e.com"
    assert not any(farm.dispatcher._members.iterdir())


def test_a_doubled_message_finds_nothing_to_do(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    (task,) = farm.tasks()
    first = farm.desk.claim(task.id, "w", TOKEN)
    assert first is not None
    assert farm.desk.claim(task.id, "w", TOKEN) is None
    assert farm.desk.answer(task.id, first.lease, {"category": "undetected"})
    assert not farm.desk.answer(task.id, first.lease, {"category": "malicious", "label": "x"})
    assert farm.desk.claim(task.id, "w", TOKEN) is None
    assert farm.desk.claim("f" * 32, "w", TOKEN) is None


def test_a_lost_lease_is_worth_nothing(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    farm.dispatcher.tick()
    (task,) = farm.tasks()
    lost = farm.desk.claim(task.id, "w", TOKEN)
    assert lost is not None
    farm.clock.nanoseconds += LEASE_NS + 1
    assert not farm.desk.answer(task.id, lost.lease, {"category": "malicious", "label": "x"})
    with pytest.raises(MasterError, match="lease has ended"):
        farm.desk.sample(task.id, lost.lease)
    farm.dispatcher.look()
    farm.dispatcher.tick()
    assert farm.broker.sent == [task.id, task.id]
    assert not farm.desk.extend(task.id, lost.lease)
    farm.beat()
    assert farm.answer(task)


def test_a_file_that_ends_workers_is_given_up_and_holds_up_nobody(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    (task,) = farm.tasks()
    for _ in range(ATTEMPTS):
        assert farm.desk.claim(task.id, "w", TOKEN) is not None
        farm.clock.nanoseconds += LEASE_NS + 1
        farm.beat()
        farm.dispatcher.look()
    assert farm.tasks()[0].state is TaskState.DEAD
    farm.dispatcher.tick()
    found = verdict(farm)
    assert found.outcome is Outcome.INCOMPLETE
    assert CRASHES_ENGINE in found.sample.tags


def test_a_file_that_crashes_an_engine_is_tagged_and_not_shown_again(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    (task,) = farm.tasks()
    assert farm.answer(task, category="failure", error="its process died", tags=[CRASHES_ENGINE])
    farm.dispatcher.tick()
    assert CRASHES_ENGINE in verdict(farm).sample.tags
    assert farm.store.engine_results.crashes(task.sha256) == {"yara": 2}
    farm.submit(b"hello", job="2" * 32)
    assert farm.tasks("2" * 32) == []
    farm.dispatcher.tick()
    assert verdict(farm, "2" * 32).outcome is Outcome.INCOMPLETE


def test_an_engine_that_is_gone_is_not_waited_for(farm: Farm) -> None:
    farm.beat("w", "yara", "clamav")
    farm.submit(b"hello")
    for task in farm.tasks():
        if task.engine == "yara":
            farm.answer(task)
    farm.clock.nanoseconds += 601 * 10**9
    farm.beat("w", "yara")
    farm.dispatcher.search()
    farm.dispatcher.tick()
    found = verdict(farm)
    assert found.outcome is Outcome.INCOMPLETE
    assert "no worker has this engine now" in found.reasons[0].text


def test_while_the_broker_is_away_tasks_wait(farm: Farm) -> None:
    farm.beat()
    farm.broker.away = True
    farm.submit(b"hello")
    farm.dispatcher.tick()
    assert farm.queue.fault
    farm.broker.away = False
    farm.dispatcher.tick()
    assert (len(farm.broker.sent), farm.queue.fault) == (1, "")


def test_a_message_that_is_lost_is_sent_again(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    farm.dispatcher.tick()
    farm.clock.nanoseconds += LOST_NS + 1
    farm.beat()
    farm.dispatcher.search()
    farm.dispatcher.tick()
    assert len(farm.broker.sent) == 2
    assert farm.queue.lost == 1


def test_a_sample_that_is_not_to_be_kept_stays_while_another_job_needs_it(farm: Farm) -> None:
    farm.dispatcher._settings = farm.dispatcher._settings.model_copy(update={"keep": False})
    farm.beat()
    farm.submit(b"hello")
    farm.submit(b"hello", "again.txt", other := "0" * 31 + "2")
    sha256 = farm.tasks()[0].sha256
    for job, kept in ((JOB, True), (other, False)):
        for task in farm.tasks(job):
            farm.answer(task)
        farm.dispatcher.tick()
        assert verdict(farm, job).outcome is Outcome.CLEAN
        assert farm.vault.has(sha256) is kept
    farm.submit(b"hello", "known.txt", "0" * 31 + "3")
    assert not farm.vault.has(sha256)


def test_without_workers_samples_wait(farm: Farm) -> None:
    assert not farm.queue.has_room()
    farm.beat()
    assert farm.queue.has_room()


def test_who_is_not_known_gets_nothing(farm: Farm) -> None:
    farm.beat()
    farm.submit(b"hello")
    (task,) = farm.tasks()
    for worker, token in (("w", "another"), ("stranger", TOKEN)):
        with pytest.raises(MasterError, match="no worker"):
            farm.desk.claim(task.id, worker, token)
    farm.beat("other", "clamav")
    with pytest.raises(MasterError, match="has not told of an engine yara"):
        farm.desk.claim(task.id, "other", TOKEN)


def test_a_name_is_its_holders(farm: Farm) -> None:
    farm.beat()
    with pytest.raises(MasterError, match="with another token"):
        farm.beat(token="another")
    farm.clock.nanoseconds += GONE_NS + 1
    farm.beat(token="another")


def test_weak_isolation_gets_nothing(farm: Farm) -> None:
    farm.desk._least = type(farm.desk._least)("full")
    farm.beat(isolation="partial")
    farm.submit(b"hello")
    with pytest.raises(MasterError, match="isolation is partial"):
        farm.desk.claim(farm.tasks()[0].id, "w", TOKEN)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"category": 7},
        {"category": "malicious", "label": ["x"], "facts": [1], "tags": "no", "built": "x"},
        {"category": "clean", "seconds": float("inf"), "version": {"a": 1}},
        {"category": "malicious", "label": "x" * 10**5, "facts": {"a": ["b" * 10**5] * 5000}},
    ],
)
def test_what_a_worker_says_is_checked(farm: Farm, said: dict[str, Any]) -> None:
    farm.beat()
    farm.submit(b"hello")
    (task,) = farm.tasks()
    claim = farm.desk.claim(task.id, "w", TOKEN)
    assert claim is not None
    assert farm.desk.answer(task.id, claim.lease, said)
    (answered,) = farm.tasks()
    assert answered.answer is not None
    assert answered.answer.engine == "yara"
    assert len(answered.answer.label) <= 200


def test_facts_engines_do_not_judge(farm: Farm) -> None:
    farm.beat()
    report = EngineReport("magika", EngineKind.METADATA, options="o", largest=10**6)
    now = farm.clock.now()
    farm.desk.beat(WorkerReport("m", TOKEN, seen=now, isolation="full", engines=(report,)))
    farm.submit(b"hello")
    (task,) = (each for each in farm.tasks() if each.engine == "magika")
    assert farm.answer(task, "m", category="malicious", label="x", facts={"type": "txt"})
    (row,) = (each.answer for each in farm.tasks() if each.engine == "magika")
    assert row is not None
    assert (row.category, row.facts) == (Category.UNDETECTED, {"type": "txt"})


@pytest.mark.parametrize("farm", ["unpack"], indirect=True)
def test_a_cancelled_job_leaves_nothing(farm: Farm) -> None:
    farm.beat()
    farm.submit(containers.zipped(bytes(1000)), "a.zip")
    (task, *_) = farm.tasks()
    assert farm.queue.cancel(JOB)
    farm.dispatcher.search()
    assert farm.tasks() == []
    assert farm.desk.claim(task.id, "w", TOKEN) is None
    assert not any(farm.dispatcher._members.iterdir())


def test_a_dispatcher_that_lost_its_lease_changes_nothing(farm: Farm) -> None:
    farm.beat()
    with Content.of_bytes(b"hello", "a.txt") as content:
        farm.vault.put(content)
        farm.queue.put([ScanJob(JOB, content.hashes.sha256, "a.txt")])
    now = farm.clock.now()
    (job,) = farm.store.scan_jobs.lease("master", 1, now, now + 10**9)
    assert farm.dispatcher.handle(replace(job, lease="old")) == ""
    assert farm.tasks() == []
    assert farm.dispatcher.handle(job) == ""
    assert len(farm.tasks()) == 1
    # Taking it apart again, as after a kill, replaces its tasks.
    assert farm.dispatcher.handle(job) == ""
    assert len(farm.tasks()) == 1
