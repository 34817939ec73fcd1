"""Listens for the API, and has its server made when the first one calls.

The server and all its routes take some 20 MB and a second of one core to make: on a box whose
dashboard nobody opens they are never there.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 128
STOP_SECONDS = 10.0

PAUSE_SECONDS = 10.0
"""What cannot be made now is not tried for each of many callers."""

_log = logging.getLogger(__name__)


class ServerError(PhageError):
    """The server cannot listen; names the address and why."""


class Server(Protocol):
    """What answers."""

    def start(self) -> None:
        """Serve in a thread."""

    def stop(self) -> None:
        """Stop serving."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 lets the system choose. Raises ServerError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sends small answers at once (TCP_NODELAY); without, a client
    # that keeps its connection waits 40 ms for each.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        message = (
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "set api.listen to another address, or api.enabled to false"
        )
        raise ServerError(message) from error
    return listener


class Doorstep:
    """Waits for the first caller, who is then served as everybody after.

    Where the server cannot be made the caller is turned away and the log says why; the next one,
    a while later, has it tried again.

    Args:
        host: Address to listen on.
        port: Port; 0 lets the system choose (`port` tells which once it listens).
        make: Makes the server of a socket that listens already; the socket is the server's own.
        pause: Seconds between a failure and the next attempt.
    """

    def __init__(
        self,
        host: str,
        port: int,
        make: Callable[[socket.socket], Server],
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self.host = host
        self.port = port
        self._make = make
        self._pause = pause
        self._server: Server | None = None
        self._ends = contextlib.ExitStack()

    def start(self) -> None:
        """Listen, and wait in a thread. Raises ServerError."""
        listener = listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        stopping, stop = socket.socketpair()
        thread = threading.Thread(
            target=self._wait, args=(listener, stopping), name="phage-doorstep", daemon=True
        )
        self._ends.callback(listener.close)
        self._ends.callback(stopping.close)
        self._ends.callback(self._stop_server)
        self._ends.callback(thread.join, STOP_SECONDS)
        self._ends.callback(stop.close)
        thread.start()

    def stop(self) -> None:
        """Stop waiting, or serving."""
        self._ends.close()

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.stop()

    def _wait(self, listener: socket.socket, stopping: socket.socket) -> None:
        while self._server is None:
            readable, _, _ = select.select([listener, stopping], [], [])
            if stopping in readable:
                return
            self._server = self._opened(listener)
            if self._server is None:
                _turn_away(listener)
                if select.select([stopping], [], [], self._pause)[0]:
                    return

    def _opened(self, listener: socket.socket) -> Server | None:
        own = listener.dup()  # A server closes its socket when it ends, and when it fails.
        try:
            server = self._make(own)
            server.start()
        except Exception:  # noqa: BLE001  The rest of phage goes on, and the next caller tries.
            _log.exception("the API could not be started")
            own.close()
            return None
        return server


def _turn_away(listener: socket.socket) -> None:
    """Close the connection of who waits, if he still does."""
    listener.settimeout(0)
    with contextlib.suppress(OSError):
        listener.accept()[0].close()
    listener.settimeout(None)
