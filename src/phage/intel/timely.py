"""Answers that come in time: who sends an octet now and then holds nothing up.

`http.client` waits for each octet anew. A head may have a hundred lines of 65,536 octets, and a
line between two chunks as many.
"""

from __future__ import annotations

import http.client
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from _typeshed import WriteableBuffer


def answer_within(
    connection: http.client.HTTPConnection, left: Callable[[], float], late: str = "took too long"
) -> None:
    """Have the answers on a connection read while time is left; then it is a TimeoutError.

    Args:
        connection: One that was not asked yet.
        left: Tells how many seconds the next octets may take; none at 0.
        late: What the error says.
    """

    class Answer(http.client.HTTPResponse):
        def __init__(
            self,
            sock: socket.socket,
            debuglevel: int = 0,
            method: str | None = None,
            url: str | None = None,
        ) -> None:
            super().__init__(sock, debuglevel, method, url)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Timely(raw, sock, left, late))

    connection.response_class = Answer


class _Timely(io.RawIOBase):
    """What comes on a socket, while time is left."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, left: Callable[[], float], late: str
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._left = left
        self._late = late

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        seconds = self._left()
        if seconds > 0:
            self._sock.settimeout(seconds)
            try:
                return self._raw.readinto(buffer)
            except TimeoutError:
                if self._left() > 0:  # It was silent for longer than one may be.
                    raise
        raise TimeoutError(self._late)

    def close(self) -> None:
        self._raw.close()
        super().close()
