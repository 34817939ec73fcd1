"""Whether an enforcer is started: not where one is there that stays."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from phage.config.settings import Settings
from phage.config.statedir import StateDirectory
from phage.daemon import acting
from phage.respond.wire.messages import LENGTH, frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENFORCING = Settings.model_validate({"policy": {"enforce": True}})


@dataclass
class FakeEnforcer:
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDirectory:
    def start(*_: Any, **__: Any) -> FakeEnforcer:
        return FakeEnforcer()

    monkeypatch.setattr("phage.enforcer.process.start", start)
    monkeypatch.setattr(acting, "_may_enforce", lambda: True)
    return StateDirectory(tmp_path)


@pytest.fixture
def listener(state: StateDirectory) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        opened.bind(str(state.enforcer_socket))
        opened.listen(1)
        yield opened


def starts(state: StateDirectory) -> bool:
    with ExitStack() as stack:
        return acting.start_enforcer(ENFORCING, state, stack) is not None


def test_one_is_started_where_there_is_none(state: StateDirectory) -> None:
    assert starts(state)


def test_one_that_answers_is_used(state: StateDirectory, listener: socket.socket) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            (length,) = LENGTH.unpack(connection.recv(LENGTH.size))
            connection.recv(length)
            connection.sendall(frame({"answer": 0}))

    thread = threading.Thread(target=serve)
    thread.start()
    assert not starts(state)
    thread.join()


def test_one_that_only_listens_yet_is_about_to_end(
    state: StateDirectory, listener: socket.socket
) -> None:
    """As that of a controller which was killed while it was busy: it never takes who connects."""
    ended = threading.Timer(0.2, lambda: listener.shutdown(socket.SHUT_RDWR))
    closed = threading.Timer(0.3, listener.close)
    ended.start()
    closed.start()
    assert starts(state)
    ended.join()
    closed.join()
