"""The server: what it bounds, what it refuses, what it survives."""

from __future__ import annotations

import http.client
import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from phage.api import protocol
from phage.api.doorstep import ServerError, listen
from phage.api.hosts import is_own_host
from phage.api.server import ApiServer
from phage.telemetry.metrics import CONTENT_TYPE, Registry
from phage.testing.waiting import until

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

Start = Callable[..., ApiServer]


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
def start(health: Health, lab: ApiLab) -> Iterator[Start]:
    servers: list[ApiServer] = []

    def make(token: str = "", host: str = "127.0.0.1") -> ApiServer:
        registry = Registry()
        registry.counter("phage_x_total", "X.").add(3)
        own = lab.having(registry=registry, health=health, metrics_token=token)
        server = ApiServer(own.app, host, 0)
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


def ask(
    server: ApiServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


def test_metrics_are_served_as_prometheus_wants_them(start: Start) -> None:
    status, headers, body = ask(start(), "/metrics")
    assert status == 200
    assert headers["content-type"] == CONTENT_TYPE
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
    assert int(headers["content-length"]) > 0
    assert body == b""


@pytest.mark.parametrize(
    "path", ["/metrics/", "/../metrics", "/api", "/api/v1/../../metrics", "/etc/passwd", "/%2e%2e"]
)
def test_there_is_nothing_else(start: Start, path: str) -> None:
    assert ask(start(), path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_no_other_method_is_known(start: Start, method: str) -> None:
    assert ask(start(), "/metrics", method)[0] in {404, 405}


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
    for host in ("", "localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8080", "[::1]",
                 "[::1]:80", "Phage.lan:8080"):  # fmt: skip
        assert is_own_host(host, {"phage.lan"}), host
    for host in ("evil", "evil:80", "127.0.0.1.evil.example", "localhost.evil:80", "[evil]", "[",
                 ":80", "phage.lan.evil"):  # fmt: skip
        assert not is_own_host(host, {"phage.lan"}), host


def test_every_answer_has_the_headers_of_a_careful_page(start: Start) -> None:
    for path in ("/healthz", "/nothing", "/api/v1/status"):
        _, headers, _ = ask(start(), path)
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers


def test_a_request_keeps_the_id_that_its_client_gave(start: Start) -> None:
    server = start()
    headers = {"X-Request-Id": "client-id-12345"}
    assert ask(server, "/healthz", **headers)[1]["x-request-id"] == "client-id-12345"
    headers = {"X-Request-Id": "evil id; with=stuff"}
    assert ask(server, "/healthz", **headers)[1]["x-request-id"] != "evil id; with=stuff"


def test_requests_are_logged_where_that_is_asked_for_and_without_their_query(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "phage.api.middleware"):
        server = start()
        ask(server, "/healthz?link=secret")
        until("the line", lambda: bool(caplog.messages))
    assert caplog.messages == ["GET /healthz: 200"]


def test_ipv6(start: Start) -> None:
    try:
        server = start(host="::1")
    except ServerError:
        pytest.skip("there is no IPv6 here")
    assert ask(server, "/healthz")[0] == 200


def test_a_port_that_is_taken_says_what_to_do(start: Start, lab: ApiLab) -> None:
    server = start()
    other = ApiServer(lab.app, "127.0.0.1", server.port)
    with pytest.raises(ServerError, match=r"set api\.listen"):
        other.start()
    other.stop()


def connect(server: ApiServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=60)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) == b""
    except ConnectionError:
        return True


def test_too_many_connections_are_closed_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 60.0)
    server = start()
    idle = [connect(server) for _ in range(4)]
    with connect(server) as extra:
        assert closed(extra)
    for connection in idle:
        connection.close()


def test_silent_connections_give_their_places_to_others(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    server = start()
    idle = [connect(server) for _ in range(4)]
    for connection in idle:
        assert closed(connection)
        connection.close()
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 60.0)
    assert ask(server, "/healthz")[0] == 200


def test_a_request_that_does_not_end_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    server = start()
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    body = b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    for begun in (head, head.replace(b"GET /", b"POST /api/v1/session") + body):
        with connect(server) as connection:
            connection.sendall(begun)
            assert closed(connection)


def test_a_body_that_is_too_large_is_refused(start: Start) -> None:
    server = start()
    status, headers, _ = ask(server, "/api/v1/session", "POST", **{"Content-Length": "99999999"})
    assert status == 413
    assert headers["content-type"] == "application/problem+json"


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


def test_it_can_be_stopped_twice(start: Start) -> None:
    server = start()
    assert ask(server, "/healthz")[0] == 200
    server.stop()
    server.stop()


def test_small_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only where the socket's protocol is named."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
