"""What of Celery is decided here: settings, queues, what a message may be."""

from __future__ import annotations

import socket
import struct
import threading
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


def _method(channel: int, class_: int, method: int, arguments: bytes) -> bytes:
    payload = struct.pack("!HH", class_, method) + arguments
    return struct.pack("!BHI", 1, channel, len(payload)) + payload + b"\xce"


def _speak(server: socket.socket) -> None:
    """Let a client in as AMQP 0-9-1 does, up to its channel, and say nothing more."""
    with server.accept()[0] as connection, connection.makefile("rb") as source:
        words = [
            _method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US"),  # start
            _method(0, 10, 30, struct.pack("!HIH", 10, 131_072, 0)),  # tune
            _method(0, 10, 41, b"\0"),  # open-ok
            _method(1, 20, 11, b"\0\0\0\0"),  # channel.open-ok
        ]
        heard = [1, 1, 2, 1]  # Messages that come before each.
        source.read(8)
        heard[0] = 0
        for word, count in zip(words, heard, strict=True):
            for _ in range(count):
                size = struct.unpack("!BHI", source.read(7))[2]
                source.read(size + 1)
            connection.sendall(word)
        source.read()


def test_a_broker_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.scan.broker.DO_SECONDS", 0.5)
    monkeypatch.setattr("phage.scan.broker.CONNECT_SECONDS", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = threading.Thread(target=_speak, args=(server,))
        silent.start()
        publisher = Publisher(f"amqp://u:p@127.0.0.1:{server.getsockname()[1]}//")
        with pytest.raises(QueueError, match="RabbitMQ does not do what is asked"):
            publisher.depth("yara")
        publisher.close()
        silent.join(60)
        assert not silent.is_alive()


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
