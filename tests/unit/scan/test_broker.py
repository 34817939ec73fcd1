"""What of Celery is decided here: settings, queues, what a message may be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from phage.errors import ConfigError
from phage.scan.broker import EXCHANGE, Publisher, engine_queue, is_task_id, make_app
from phage.scan.celeryworker import CeleryWorker
from phage.scan.queue import QueueError
from phage.scan.seat import Worked

pytest.importorskip("celery")


def test_only_a_task_s_id_is_one() -> None:
    assert is_task_id("0123456789abcdef" * 2)
    for wrong in (None, 7, "", "x" * 32, "0" * 31, "0" * 33, ["0" * 32], b"0" * 32):
        assert not is_task_id(wrong)


def test_the_app_is_as_careful_as_it_can_be() -> None:
    conf = make_app("amqp://host//").conf
    assert conf.accept_content == ["json"]
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert not conf.worker_enable_remote_control
    assert conf.result_backend is None


def test_only_rabbitmq() -> None:
    for wrong in ("", "redis://host", "https://host"):
        with pytest.raises(ConfigError, match=r"scan\.queue_url"):
            make_app(wrong)


def test_all_of_an_engine_lies_below_one_name() -> None:
    queue = engine_queue("yara")
    assert queue.name == f"{EXCHANGE}.yara"
    assert queue.exchange.name == EXCHANGE
    assert queue.durable


def test_a_broker_that_is_away_is_told() -> None:
    publisher = Publisher("amqp://127.0.0.1:1//")
    with pytest.raises(QueueError, match="RabbitMQ"):
        publisher.depth("yara")


class FakeSeat:
    """Notes what it is asked."""

    def __init__(self, worked: Worked) -> None:
        self.asked: list[str] = []
        self._worked = worked

    def work(self, task: str) -> Worked:
        self.asked.append(task)
        return self._worked

    def close(self) -> None:
        pass


def test_a_poisoned_message_is_thrown_away_and_told() -> None:
    seat, told = FakeSeat(Worked("yara", 0.5)), []

    def tell(worked: Worked) -> None:
        told.append(worked)

    worker = CeleryWorker("amqp://h//", "w", ["yara"], 1, lambda: seat, tell)
    poison: list[Any] = ["../../etc/passwd", None, {"a": 1}]
    for each in poison:
        worker._do(each)
    worker._do("0" * 32, "more", of="it")
    assert seat.asked == ["0" * 32]
    worker.close()
    assert [asdict(each)["fault"] for each in told] == [*["poisoned message"] * 3, ""]


def test_what_cannot_be_done_now_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    reject = pytest.importorskip("celery.exceptions").Reject
    monkeypatch.setattr("phage.scan.celeryworker.AGAIN_SECONDS", 0.0)
    seat = FakeSeat(Worked(fault="the master is away", again=True))
    worker = CeleryWorker("amqp://h//", "w", ["yara"], 1, lambda: seat, lambda _: None)
    with pytest.raises(reject) as raised:
        worker._do("0" * 32)
    assert raised.value.requeue
    worker.close()
