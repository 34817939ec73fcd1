"""A small HTTP server for /metrics and /healthz: bounded in connections, time and request size.

It knows two paths and two methods and nothing else. /metrics needs the token where one is set;
requests that name another host than an address or localhost are refused, so that no web page can
read it by DNS rebinding.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import ipaddress
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.telemetry.metrics import CONTENT_TYPE, Registry

MAX_CONNECTIONS = 16
"""Each takes a thread; Prometheus needs one, a person a few."""

IDLE_SECONDS = 5.0
"""How long a connection may say nothing."""

REQUEST_SECONDS = 10.0
"""How long a connection may last in all: a client that sends an octet a second holds nothing up."""

MAX_REQUEST = 8192
"""Octets of request line and headers."""


if TYPE_CHECKING:
    from typing_extensions import Buffer

    from phage.clock import Clock


class ServerError(PhageError):
    """The server cannot listen; names the address and why."""


Health = Callable[[], Mapping[str, object]]
"""Returns {"status": "ok" | "degraded", ...}; must be quick."""


class MetricsServer:
    """Serves metrics and health until it is stopped.

    Args:
        host: Address to listen on.
        port: Port; 0 lets the system choose (`port` tells which).
        registry: The metrics.
        health: What /healthz answers.
        clock: Bounds the time of connections.
        token: What /metrics asks for as bearer token; '' for nothing.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: Registry,
        health: Health,
        clock: Clock,
        token: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self._registry = registry
        self._health = health
        self._clock = clock
        self._token = token
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve in a thread. Raises ServerError."""
        try:
            server = _Server((self.host, self.port), self._clock)
        except OSError as error:
            message = (
                f"cannot listen on {self.host} port {self.port}: {error.strerror}; "
                "set api.listen to another address, or api.enabled to false"
            )
            raise ServerError(message) from error
        server.answer = self._answer
        self.port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.5,), name="phage-api", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every connection."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.close_older_than(-1.0)
        self._server.server_close()
        self._thread.join(timeout=5.0)
        self._server = self._thread = None

    def _answer(self, path: str, authorization: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/healthz":
            health = dict(self._health())
            good = health.get("status") == "ok"
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
            return status, "application/json", json.dumps(health).encode() + b"\n"
        if path == "/metrics":
            if self._token and not self._is_token(authorization):
                return HTTPStatus.UNAUTHORIZED, "text/plain", b"a bearer token is needed\n"
            return HTTPStatus.OK, CONTENT_TYPE, self._registry.exposition().encode()
        return HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics and /healthz\n"

    def _is_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        offered = given.strip().encode("utf-8", "replace")
        return scheme.lower() == "bearer" and hmac.compare_digest(offered, self._token.encode())


class _Server(socketserver.TCPServer):
    """One thread a connection, at most MAX_CONNECTIONS; more are closed at once."""

    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], clock: Clock) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answer: Callable[[str, str], tuple[HTTPStatus, str, bytes]] | None = None
        self._clock = clock
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve a connection in a thread of its own, or close it when there are too many."""
        assert isinstance(request, socket.socket)  # noqa: S101
        with self._lock:
            full = len(self._open) >= MAX_CONNECTIONS
            if not full:
                self._open[request] = self._clock.monotonic()
        if full:
            self.shutdown_request(request)
            return
        threading.Thread(
            target=self._serve,
            args=(request, client_address),
            name="phage-api-request",
            daemon=True,
        ).start()

    def _serve(self, request: socket.socket, client_address: object) -> None:
        try:
            with contextlib.suppress(
                OSError, ValueError
            ):  # The client went away, or was sent away.
                self.finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Close what takes too long; called twice a second."""
        self.close_older_than(REQUEST_SECONDS)

    def close_older_than(self, seconds: float) -> None:
        """Close the connections that are older; their threads end at the next read or write."""
        now = self._clock.monotonic()
        with self._lock:
            late = [request for request, since in self._open.items() if now - since > seconds]
        for request in late:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Bounded(io.RawIOBase):
    """The first MAX_REQUEST octets of a connection; then its end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = MAX_REQUEST

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read what there is, up to the bound."""
        view = memoryview(buffer)[: self._left]
        count = self._connection.recv_into(view) if len(view) else 0
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and closes the connection."""

    server: _Server
    server_version = "phage"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        """Read the request through a bound on its size."""
        super().setup()
        self.rfile = io.BufferedReader(_Bounded(self.connection))

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._respond(body_wanted=True)

    def do_HEAD(self) -> None:
        """Answer a HEAD request."""
        self._respond(body_wanted=False)

    def _respond(self, *, body_wanted: bool) -> None:
        self.close_connection = True
        answer = self.server.answer
        if answer is None or not is_own_host(self.headers.get("Host", "")):
            status, kind, body = (
                HTTPStatus.FORBIDDEN,
                "text/plain",
                b"ask by address or as localhost\n",
            )
        else:
            status, kind, body = answer(
                self.path.partition("?")[0], self.headers.get("Authorization", "")
            )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Connection", "close")
        self.end_headers()
        if body_wanted:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  As in the base.
        """Log nothing: a request is no event, and its text is a stranger's."""


def is_own_host(host: str) -> bool:
    """Tell whether a Host header is an address or localhost: no name that others can point here."""
    if not host:
        return True  # HTTP/1.0 and plain tools; browsers always send one.
    name = (
        host.partition("]")[0].removeprefix("[")
        if host.startswith("[")
        else host.rpartition(":")[0] or host
    )
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
