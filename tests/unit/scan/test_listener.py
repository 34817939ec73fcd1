"""What fronts share: connections are taken, bounded, and ended with the listener."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from phage.scan.front import FrontError
from phage.scan.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.scan.listener import Reader

PATIENCE = 60.0


def answers(reader: Reader) -> None:
    while line := reader.until(b"\n", most=100):
        reader.connection.sendall(line[0])


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener("test", answers, connections=1, patience=PATIENCE)
    yield made
    made.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def test_more_connections_than_there_may_be_are_refused(listener: Listener) -> None:
    port = listener.tcp("127.0.0.1:0")
    with connect(port) as first, connect(port) as second:
        first.sendall(b"one\n")
        assert first.recv(10) == b"one"
        assert second.recv(10) == b""
    assert listener.counters() == {"connections": 1, "refused": 1}


def test_closing_ends_connections_and_frees_the_address(listener: Listener) -> None:
    port = listener.tcp("127.0.0.1:0")
    with connect(port) as connection:
        connection.sendall(b"one\n")
        assert connection.recv(10) == b"one"
        listener.close()
        assert connection.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    assert not [each for each in threading.enumerate() if each.name == "phage-test"]


def test_closing_ends_one_that_is_just_being_accepted(listener: Listener) -> None:
    listener.close()
    accepted, client = socket.socketpair()
    with client:
        listener._take(accepted)
        client.settimeout(PATIENCE)
        assert client.recv(10) == b""
    assert listener.counters() == {"refused": 1}


def test_a_socket_in_use_is_left_alone(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "front"
    listener.unix(path, 0o600)
    other = Listener("other", answers, connections=1, patience=PATIENCE)
    with pytest.raises(FrontError, match="is in use"):
        other.unix(path, 0o600)
    listener.close()
    assert not path.exists()
    other.unix(path, 0o600)  # Nobody serves it any more.
    other.close()


def test_where_no_thread_is_to_be_had_the_next_is_served(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.tcp("127.0.0.1:0")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with connect(port) as refused:
            assert refused.recv(10) == b""
    with connect(port) as served:
        served.sendall(b"one\n")
        assert served.recv(10) == b"one"
    assert listener.counters() == {"connections": 2, "refused": 1}


def refuse(thread: threading.Thread) -> None:
    message = "can't start new thread"
    raise RuntimeError(message)
