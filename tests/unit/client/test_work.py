"""A worker's requests, against the API itself over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.api.server import ApiServer
from phage.client.client import Client
from phage.client.work import WorkClient
from phage.records.sample import EngineKind, EngineVersion
from phage.records.scanjob import ScanJob
from phage.records.scantask import EngineReport, ScanPlan, ScanTask, WorkerReport
from phage.scan.content import Content
from phage.scan.master import Claim, MasterError, Release
from phage.scan.vault import Vault, revealed
from phage.store.store import StoreLocation
from phage.testing.apilab import ApiLab, api_lab, quick_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASK = "a" * 32
REPORT = WorkerReport(
    "w",
    host="host",
    isolation="full",
    processes=2,
    engines=(
        EngineReport(
            "yara", EngineKind.EVILNESS, EngineVersion("1", "d", 5), "o", frozenset({"pe"}), 100
        ),
    ),
    faults={"beats not heard": 1},
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ApiLab]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with quick_passwords(), api_lab(location, tmp_path / "captures") as made:
        yield made


@pytest.fixture
def work(lab: ApiLab) -> Iterator[WorkClient]:
    server = ApiServer(lab.app, "127.0.0.1", 0)
    server.start()
    _, secret = lab.access.tokens.create("admin", "worker", ["work:write"])
    url = f"http://127.0.0.1:{server.port}"
    made = WorkClient(Client(url, secret), Client(url, secret))
    yield made
    made.close()
    server.stop()


def task_of(lab: ApiLab, data: bytes) -> None:
    """Have a task wait for a file."""
    with Content.of_bytes(data, "a.bin") as content:
        vault = Vault(lab.services.captures / "samples")  # type: ignore[operator]
        vault.folder.mkdir(parents=True)
        vault.put(content)
        sha256 = content.hashes.sha256
    now = lab.clock.now()
    lab.store.scan_jobs.add([ScanJob("job", sha256, "a.bin")], now, 10)
    (job,) = lab.store.scan_jobs.lease("master", 1, now, now + 10**9)
    plan = ScanPlan("job", sha256, "b" * 40, "c" * 32, now, ())
    assert lab.store.scan_tasks.plan(plan, [ScanTask(TASK, "job", sha256, "yara")], job.lease)


def test_from_the_beat_to_the_answer(lab: ApiLab, work: WorkClient) -> None:
    data = bytes(range(256)) * 10_000
    task_of(lab, data)
    assert not work.beat(REPORT).end
    kept = lab.store.scan_workers.get("w")
    assert kept is not None
    assert kept.engines == REPORT.engines
    claim = work.claim(TASK, "w")
    assert claim is not None
    assert work.claim(TASK, "w") is None
    with work.sample(claim) as source, revealed(source, claim.name) as content:
        assert content.read_at(0, content.size) == data
    assert work.extend(claim)
    assert work.answer(claim, {"category": "malicious", "label": "X", "version": "1"})
    assert not work.answer(claim, {"category": "undetected"})
    assert not work.extend(claim)
    assert not work.give_back(claim, "late")
    (task,) = lab.store.scan_tasks.of("job")
    assert task.answer is not None
    assert task.answer.label == "X"
    assert not [each for each in lab.access.audit.list() if "work" in each.subject]
    lab.store.scan_workers.end("w", 1)
    assert work.beat(REPORT).end


def test_a_file_is_who_has_the_lease_s_only(lab: ApiLab, work: WorkClient) -> None:
    task_of(lab, b"secret")
    wrong = Claim(TASK, "0" * 32, "yara", "f" * 64)
    with pytest.raises(MasterError, match=r"404|lease has ended") as raised, work.sample(wrong):
        pass
    assert raised.value.refused


def test_who_has_not_told_of_himself_should_do_so_first(lab: ApiLab, work: WorkClient) -> None:
    task_of(lab, b"secret")
    with pytest.raises(MasterError, match="no worker") as raised:
        work.claim(TASK, "stranger")
    assert not raised.value.refused


def test_a_master_that_is_away_may_be_asked_again() -> None:
    client = Client("http://127.0.0.1:1", "x")
    work = WorkClient(client, client)
    with pytest.raises(MasterError, match="cannot be asked") as raised:
        work.beat(REPORT)
    assert not raised.value.refused
    with pytest.raises(MasterError), work.definitions(Release("abcdef12")):
        pass


class Odd(Client):
    """Answers what another phage might."""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        if path.endswith("/beat"):
            release = {"id": "a1", "sha256": "f" * 64, "name": "n", "signature": "of later"}
            return {"releases": {"yara": release}, "end": False, "more": 1}
        return {"claim": {"task": TASK}} if path.endswith("/claim") else {}


def test_what_a_later_master_says_besides_is_left_out() -> None:
    client = Odd("http://127.0.0.1:1", "x")
    work = WorkClient(client, client)
    assert work.beat(REPORT).releases == {"yara": Release("a1", "f" * 64, "n")}
    with pytest.raises(MasterError, match="answered what phage does not"):
        work.claim(TASK, "w")
    assert not work.extend(Claim(TASK, "0" * 32, "yara", "f" * 64))


def test_a_token_for_something_else_is_refused(lab: ApiLab, work: WorkClient) -> None:
    _, secret = lab.access.tokens.create("admin", "viewer", ["status:read"])
    work._client.token = secret
    with pytest.raises(MasterError, match="work:write") as raised:
        work.beat(REPORT)
    assert raised.value.refused
