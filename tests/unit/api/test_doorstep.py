"""The doorstep: nothing is made until somebody calls, and then everybody is served."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

import pytest

from phage.api.doorstep import Doorstep
from phage.api.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.testing.apilab import ApiLab


class Maker:
    """Makes servers, and counts them."""

    def __init__(self, lab: ApiLab) -> None:
        self.made = 0
        self._lab = lab

    def __call__(self, listener: socket.socket) -> ApiServer:
        self.made += 1
        return ApiServer(self._lab.app, "127.0.0.1", 0, listener=listener)


@pytest.fixture
def maker(lab: ApiLab) -> Maker:
    return Maker(lab)


@pytest.fixture
def door(maker: Maker) -> Iterator[Doorstep]:
    made = Doorstep("127.0.0.1", 0, maker)
    made.start()
    yield made
    made.stop()


def ask(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_first_caller_is_served_as_everybody_after(door: Doorstep, maker: Maker) -> None:
    assert maker.made == 0
    assert [ask(door.port) for _ in range(3)] == [200, 200, 200]
    assert maker.made == 1


def test_it_stops_without_a_caller(door: Doorstep, maker: Maker) -> None:
    door.stop()
    assert maker.made == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.port), timeout=60)


def test_who_comes_when_no_server_can_be_made_is_turned_away_and_the_next_one_served(
    maker: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    faults = ["no route"]

    def fail_once(listener: socket.socket) -> ApiServer:
        if faults:
            raise ValueError(faults.pop())
        return maker(listener)

    door = Doorstep("127.0.0.1", 0, fail_once, pause=0.01)
    door.start()
    try:
        with pytest.raises(OSError, match=r"reset|closed|without response"):
            ask(door.port)
        assert "could not be started" in caplog.text
        assert ask(door.port) == 200
    finally:
        door.stop()


def test_it_stops_between_two_attempts() -> None:
    def fail(_listener: socket.socket) -> ApiServer:
        message = "no route"
        raise ValueError(message)

    door = Doorstep("127.0.0.1", 0, fail, pause=3600.0)
    door.start()
    with pytest.raises(OSError, match=r"reset|closed|without response"):
        ask(door.port)
    door.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.port), timeout=60)
