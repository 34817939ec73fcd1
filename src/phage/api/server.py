"""Serves the API and the dashboard: uvicorn in a thread of `phage run`."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from phage.api.doorstep import BACKLOG, ServerError, listen
from phage.api.protocol import IDLE_SECONDS, MAX_HEAD, BoundedProtocol

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from starlette.types import ASGIApp

THREADS = 3
"""Routes that are answered at a time. More share the interpreter's lock, and all wait longer."""

SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter's lock from others (sys.setswitchinterval). SQLite gives
it back with each row: at the usual 5 ms a page of a hundred rows waits half a second under load."""

START_SECONDS = 10.0
STOP_SECONDS = 2

TLS_SECONDS = 10.0
"""How long a TLS handshake may take."""


class ApiServer:
    """Serves an app until it is stopped.

    Args:
        app: What answers.
        host: Address to listen on.
        port: Port; 0 lets the system choose (`port` tells which).
        tls: Certificate and key; None for plain HTTP.
        listener: The socket, where one listens already.
        on_loop: Told the event loop when it runs.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        listener: socket.socket | None = None,
        on_loop: Callable[[asyncio.AbstractEventLoop], None] = lambda _loop: None,
    ) -> None:
        self.host = host
        self.port = port
        self._on_loop = on_loop
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=MAX_HEAD,
            ),
            tls,
        )
        self._thread = threading.Thread(target=self._run, name="phage-api", daemon=True)

    def start(self) -> None:
        """Listen and serve in a thread. Raises ServerError."""
        self._listener = listener = self._listener or listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        # What strangers send that is no HTTP is no event.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        if not self._server.ready.wait(START_SECONDS):
            self._server.should_exit = True
            message = f"the server on {self.host} port {self.port} did not start"
            raise ServerError(message)

    def stop(self) -> None:
        """Stop serving and close every connection."""
        if self._listener is None:
            return
        self._server.should_exit = True
        self._thread.join(timeout=STOP_SECONDS + 5.0)
        self._listener.close()
        self._listener = None

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        current_default_thread_limiter().total_tokens = THREADS
        self._on_loop(asyncio.get_running_loop())
        assert self._listener is not None  # noqa: S101  Made before the thread starts.
        await self._server.serve([self._listener])


class _Server(uvicorn.Server):
    """uvicorn's server with TLS of our own making."""

    def __init__(self, config: uvicorn.Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets, with a bound on handshakes."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return BoundedProtocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=loop,
            )

        self.servers = [
            await loop.create_server(
                protocol,
                sock=each,
                ssl=self._tls,
                ssl_handshake_timeout=TLS_SECONDS if self._tls is not None else None,
            )
            for each in sockets or ()
        ]
        self.started = True
        self.ready.set()
