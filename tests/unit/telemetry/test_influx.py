"""Lines for InfluxDB: escaped, sent in the background, bounded while it cannot be reached."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from phage.telemetry import influx
from phage.telemetry.influx import InfluxSender, line
from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Database(HTTPServer):
    status = 204
    taken: list[tuple[str, str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: _Database

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.taken.append((self.path, self.headers.get("Authorization", ""), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  As in the base.
        """Be silent."""


@pytest.fixture
def database() -> Iterator[_Database]:
    server = _Database(("127.0.0.1", 0), _Handler)
    server.taken = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_line_is_escaped() -> None:
    tags = {"host": "a b", "interface": "eth0,x=1", "none": ""}
    assert (
        line("through put", tags, {"value": 1.5, "count": 3}, 17)
        == r"through\ put,host=a\ b,interface=eth0\,x\=1 value=1.5,count=3i 17"
    )
    assert "\n" not in line("m", {"t": "x\ny 1 2\r"}, {"v": 1.0}, 1)


def test_lines_are_posted(database: _Database) -> None:
    sender = InfluxSender(f"http://127.0.0.1:{database.server_port}/write?db=x", "secret")
    sender.start()
    sender.put(["a v=1 1", "b v=2 1"])
    sender.stop(PATIENCE)
    assert database.taken == [("/write?db=x", "Token secret", "a v=1 1\nb v=2 1")]
    assert (sender.state.sent, sender.state.fault) == (2, "")


def test_what_it_does_not_take_is_dropped(database: _Database) -> None:
    database.status = 400
    sender = InfluxSender(f"http://127.0.0.1:{database.server_port}/write?db=x")
    sender.start()
    sender.put(["nonsense"])
    sender.stop(PATIENCE)
    assert (sender.state.sent, sender.state.dropped) == (0, 1)
    assert "answered 400" in sender.state.fault


def test_while_it_cannot_be_reached_the_newest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx, "MOST_WAITING", 3)
    sender = InfluxSender("http://127.0.0.1:9/write?db=x")
    sender.start()
    for number in range(5):
        sender.put([f"a v={number} 1"])
    until("a fault", lambda: sender.state.fault)
    sender.stop(PATIENCE)
    assert sender.state.dropped == 2
    assert sender.state.sent == 0


def test_what_comes_while_others_are_sent_is_sent_too(
    database: _Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "MOST_WAITING", 3)
    sender = InfluxSender(f"http://127.0.0.1:{database.server_port}/write?db=x")
    post, more = sender._post, [f"b v={number} 1" for number in range(3)]

    def slowly(body: bytes) -> tuple[int, str]:
        if not database.taken:
            sender.put(more)
        return post(body)

    monkeypatch.setattr(sender, "_post", slowly)
    sender.start()
    sender.put(["a v=1 1"])
    until("all lines", lambda: sender.state.sent == 4)
    sender.stop(PATIENCE)
    assert [body for _, _, body in database.taken] == ["a v=1 1", "\n".join(more)]
    assert sender.state.dropped == 0
