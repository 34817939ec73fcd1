"""The server of /metrics and /healthz: what it answers, what it refuses, what it survives."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from phage.api.server import (
    MAX_CONNECTIONS,
    REQUEST_SECONDS,
    MetricsServer,
    ServerError,
    is_own_host,
)
from phage.clock import FixedClock
from phage.telemetry.metrics import CONTENT_TYPE, Registry

Start = Callable[..., MetricsServer]


class Health:
    """Health as told."""

    def __init__(self) -> None:
        self.status = "ok"

    def __call__(self) -> dict[str, object]:
        return {"status": self.status}


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def start(health: Health, clock: FixedClock) -> Iterator[Start]:
    servers: list[MetricsServer] = []

    def make(token: str = "", host: str = "127.0.0.1") -> MetricsServer:
        registry = Registry()
        registry.counter("phage_x_total", "X.").add(3)
        server = MetricsServer(host, 0, registry, health, clock, token)
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


def ask(
    server: MetricsServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_metrics_are_served_as_prometheus_wants_them(start: Start) -> None:
    status, headers, body = ask(start(), "/metrics")
    assert status == 200
    assert headers["Content-Type"] == CONTENT_TYPE
    assert b"phage_x_total 3\n" in body


def test_health_is_told_by_status(start: Start, health: Health) -> None:
    server = start()
    assert ask(server, "/healthz")[0] == 200
    health.status = "degraded"
    status, _, body = ask(server, "/healthz")
    assert status == 503
    assert json.loads(body) == {"status": "degraded"}


def test_head_has_no_body(start: Start) -> None:
    status, headers, body = ask(start(), "/metrics", "HEAD")
    assert status == 200
    assert int(headers["Content-Length"]) > 0
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/api", "/%6detrics"])
def test_there_is_nothing_else(start: Start, path: str) -> None:
    assert ask(start(), path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_no_other_method_is_known(start: Start, method: str) -> None:
    assert ask(start(), "/metrics", method)[0] == 501


def test_metrics_need_the_token_where_there_is_one(start: Start) -> None:
    server = start("s3cret")
    assert ask(server, "/metrics")[0] == 401
    assert ask(server, "/metrics", Authorization="Bearer wrong")[0] == 401
    assert ask(server, "/metrics", Authorization="s3cret")[0] == 401
    assert ask(server, "/metrics", Authorization="Basic s3cret")[0] == 401
    assert ask(server, "/metrics", Authorization="Bearer s3cret")[0] == 200
    assert ask(server, "/healthz")[0] == 200


def test_a_web_page_cannot_read_it_by_rebinding_a_name(start: Start) -> None:
    server = start()
    assert ask(server, "/metrics", Host="evil.example:8080")[0] == 403
    assert ask(server, "/metrics", Host="localhost:8080")[0] == 200


def test_own_hosts() -> None:
    for host in (
        "",
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
    ):
        assert is_own_host(host), host
    for host in (
        "evil",
        "evil:80",
        "127.0.0.1.evil.example",
        "localhost.evil:80",
        "[evil]",
        "[",
        ":80",
    ):
        assert not is_own_host(host), host


def test_ipv6(start: Start) -> None:
    try:
        server = start(host="::1")
    except ServerError:
        pytest.skip("there is no IPv6 here")
    assert ask(server, "/healthz")[0] == 200


def test_a_port_that_is_taken_says_what_to_do(
    start: Start, health: Health, clock: FixedClock
) -> None:
    server = start()
    other = MetricsServer("127.0.0.1", server.port, Registry(), health, clock)
    with pytest.raises(ServerError, match=r"set api\.listen"):
        other.start()
    other.stop()


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) == b""
    except ConnectionError:
        return True


def test_too_many_connections_are_closed_at_once(start: Start, clock: FixedClock) -> None:
    server = start()
    idle = [connect(server) for _ in range(MAX_CONNECTIONS)]
    waiting = threading.Event()
    for _ in range(100):
        extra = connect(server)
        if closed(extra):
            extra.close()
            break
        extra.close()
        waiting.wait(0.02)
    else:
        pytest.fail("no connection was refused")
    # Those that hold the places are closed when their time is over, and it serves again.
    clock.nanoseconds += int((REQUEST_SECONDS + 1) * 1e9)
    for connection in idle:
        assert closed(connection)
        connection.close()
    assert ask(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET /" + b"a" * 100_000,
        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
        b"GET /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
    ],
)
def test_it_survives_any_request(start: Start, request_: bytes) -> None:
    server = start()
    with connect(server) as connection:
        try:
            connection.sendall(request_)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass
    assert ask(server, "/healthz")[0] == 200


def test_it_can_be_stopped_twice_and_started_again(start: Start) -> None:
    server = start()
    server.stop()
    server.stop()
    server.start()
    assert ask(server, "/healthz")[0] == 200
