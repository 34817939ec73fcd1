"""Listens for the API, and has its server made when the first one calls.

The server and all its routes take some 20 MB and a second of one core to make: on a box whose
dashboard nobody opens they are never there.
"""

from __future__ import annotations

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

    Args:
        host: Address to listen on.
        port: Port; 0 lets the system choose (`port` tells which once it listens).
        make: Makes the server of a socket that listens already.
    """

    def __init__(self, host: str, port: int, make: Callable[[socket.socket], Server]) -> None:
        self.host = host
        self.port = port
        self._make = make
        self._listener: socket.socket | None = None
        self._server: Server | None = None
        self._stopping, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._wait, name="phage-doorstep", daemon=True)

    def start(self) -> None:
        """Listen, and wait in a thread. Raises ServerError."""
        self._listener = listen(self.host, self.port)
        self.port = self._listener.getsockname()[1]
        self._thread.start()

    def stop(self) -> None:
        """Stop waiting, or serving."""
        self._stop.close()
        if self._listener is None:
            return
        self._thread.join(timeout=STOP_SECONDS)
        if self._server is not None:
            self._server.stop()
        self._listener.close()
        self._listener = None

    def _wait(self) -> None:
        assert self._listener is not None  # noqa: S101  Made before the thread starts.
        readable, _, _ = select.select([self._listener, self._stopping], [], [])
        with self._stopping:
            if self._stopping in readable:
                return
        try:
            server = self._make(self._listener)
            server.start()
        except Exception:  # noqa: BLE001  The rest of phage goes on; who calls meets a closed port.
            _log.exception("the API could not be started")
            self._listener.close()
            return
        self._server = server
