"""HTTP connections within bounds: how many, how large a request's head, how long each part takes.

uvicorn bounds neither the time of a request nor that of who does not read the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

MAX_CONNECTIONS = 128
"""Each takes some kilobytes: fifty people with a page open, and programs."""

MAX_HEAD = 16_384
"""Octets of request line and headers."""

IDLE_SECONDS = 5
"""How long a connection may wait for its next request."""

REQUEST_SECONDS = 10.0
"""How long a request may take to come: who sends an octet a second holds nothing up."""

UPLOAD_SECONDS = 600.0
"""The same of a body that may be large, once its head was read and allowed."""

ANSWER_SECONDS = 60.0
"""How long an answer may take to be made and read; one that has no end says so now and then."""


class BoundedProtocol(H11Protocol):
    """One connection: ended when it is one too many, or when something takes too long."""

    _timer: asyncio.TimerHandle | None = None
    _answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it at once."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._await(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._settle()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self._timer is None:
            self._await(REQUEST_SECONDS)
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return
        state = cycle.scope.setdefault("state", {})
        state.setdefault("linger", self._linger)
        state.setdefault("upload", self._upload)
        if not cycle.more_body and not self._answering:
            self._linger()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._settle()
        super().on_response_complete()

    def _linger(self) -> None:
        """Give the answer more time; what has no end calls it for each part that was read."""
        self._answering = True
        self._await(ANSWER_SECONDS)

    def _upload(self) -> None:
        """Give the request more time; for routes that take files."""
        if not self._answering:
            self._await(UPLOAD_SECONDS)

    def _await(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._too_late)

    def _settle(self) -> None:
        self._answering = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        self.transport.abort()
