"""Workers over the real servers: poison, definitions rolled out, machines started, the end."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from tests.system.workers.plant import until

from phage.records.scanjob import JobState, ScanJob
from phage.scan.broker import EXCHANGE, make_app
from phage.scan.content import Content
from phage.scan.vault import Vault

if TYPE_CHECKING:
    from typing import Any

    from tests.system.workers.plant import Plant

    from phage.records.sample import Verdict
    from phage.store.store import Store

pytestmark = pytest.mark.system

RULE = 'rule Rolled_Out { strings: $a = "a word that only this test has" condition: $a }\n'


def test_poison_releases_fleets(plant: Plant) -> None:
    with plant.store() as store:
        for worker in store.scan_workers.list():  # Another test's: the canary is to be alone.
            plant.parts[worker.name].kill()
            store.scan_workers.forget(worker.name)
        plant.start_worker("three", "yara", "fingerprint")
        until("a worker", lambda: _serves(store, "three", "yara"))
        _poison(plant)
        assert _scanned(plant, store, b"harmless " * 20).positives == 0
        _roll_out(plant, store)
        _machines(plant, store)
        store.scan_workers.end("three", 1)
        plant.parts["three"].process.wait(60)


def _poison(plant: Plant) -> None:
    """Send what is no message of ours; the worker has to live on."""
    app = make_app(plant.amqp("master"))
    with app.connection_for_write() as connection:
        producer: Any = connection.Producer()
        more = {"exchange": EXCHANGE, "routing_key": "yara"}
        producer.publish(b"\x80\x04\x95pickle", content_type="application/x-python-serialize",
                         content_encoding="binary", **more)  # fmt: skip
        producer.publish("garbage", content_type="application/json", **more)
        producer.publish(json.dumps([["x" * 40], {}, {}]), content_type="application/json",
                         headers={"task": "phage.scan", "id": "1"}, **more)  # fmt: skip
        producer.publish(json.dumps([[], {}, {}]), content_type="application/json",
                         headers={"task": "os.system", "id": "2"}, **more)  # fmt: skip


def _roll_out(plant: Plant, store: Store) -> None:
    """Give a canary definitions, and take them back."""
    data = b"here is a word that only this test has, and more"
    before = _scanned(plant, store, data)
    rules = plant.folder / "own.yar"
    rules.write_text(RULE)
    plant.phage("workers", "release", "yara", "--from", str(rules), "--canary", "three")
    (release,) = store.scan_releases.list()
    until("the release", lambda: _release_of(store, "three", "yara") == release.id)
    after = _scanned(plant, store, data)
    assert (before.positives, after.positives) == (0, 1)
    assert "Rolled_Out" in after.reasons[0].text
    plant.phage("workers", "withdraw", release.id)
    until("the way back", lambda: _release_of(store, "three", "yara") == "")
    assert _scanned(plant, store, data).positives == 0


def _machines(plant: Plant, store: Store) -> None:
    """Have the dispatcher keep a fleet of processes, by hand and by the settings."""
    place = plant.folder / "fleet"
    place.mkdir()
    for name, text in (("token", plant.token), ("url", plant.amqp("worker"))):
        (place / name).write_text(text)
        (place / name).chmod(0o600)
    settings = json.loads(plant.config.read_text())
    settings["scan"]["workers"] = {
        "join_url": plant.api,
        "token_file": str(place / "token"),
        "queue_url_file": str(place / "url"),
        "ca_file": str(plant.state / "tls" / "certificate.pem"),
        "fleets": {"small": {"engines": ["libmagic"], "copies": 1, "most": 2}},
    }
    plant.config.write_text(json.dumps(settings))
    plant.parts["dispatcher"].kill(signal.SIGTERM)
    plant.start_dispatcher()
    until("a machine", lambda: len(_fleet(store, "small")) == 1)
    plant.phage("workers", "scale", "small", "2")
    until("two machines", lambda: len(_fleet(store, "small")) == 2)
    plant.phage("workers", "scale", "small", "0")
    until("no machines", lambda: len(_fleet(store, "small")) == 0, 240)
    shown = plant.phage("workers", "list", "--output", "json")
    assert {each["name"] for each in json.loads(shown)} >= {"three"}


def _fleet(store: Store, name: str) -> list[str]:
    """Return the machines of a fleet whose workers are here."""
    rows = [each for each in store.scan_fleets.list() if each.name == name]
    names = [worker for _, worker, _ in rows[0].machines] if rows else []
    return [
        each for each in names if store.scan_workers.get(each) is not None or rows[0].wanted == 0
    ]


def _scanned(plant: Plant, store: Store, data: bytes) -> Verdict:
    """Have a file scanned; return its verdict."""
    vault = Vault(plant.state / "samples")
    vault.folder.mkdir(mode=0o700, exist_ok=True)
    with Content.of_bytes(data, "a.txt") as content:
        vault.put(content)
        sha256 = content.hashes.sha256
    count = len(store.scan_jobs.list(limit=10_000))
    job = ScanJob(f"{count:031x}f", sha256, "a.txt")
    assert store.scan_jobs.add([job], 1, 10**6) == 1

    def over() -> bool:
        found = store.scan_jobs.get(job.id)
        return found is not None and found.state in {JobState.DONE, JobState.DEAD}

    until("a verdict", over)
    found = store.scan_jobs.get(job.id)
    assert found is not None
    verdict = store.samples.verdict_by_id(found.verdict)
    assert verdict is not None
    return verdict


def _serves(store: Store, name: str, engine: str) -> bool:
    worker = store.scan_workers.get(name)
    return worker is not None and any(
        each.name == engine and not each.fault for each in worker.engines
    )


def _release_of(store: Store, name: str, engine: str) -> str:
    worker = store.scan_workers.get(name)
    assert worker is not None
    return next(each.release for each in worker.engines if each.name == engine)
