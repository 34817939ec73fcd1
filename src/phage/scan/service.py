"""What asks a program elsewhere has in common: an address, and a limit of time over all of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


def address_of(url: str, scheme: str, port: int) -> tuple[str, int]:
    """Return host and port of a URL, `port` where it names none.

    Raises ValueError for another scheme, no host, or a port that there cannot be.
    """
    where = urlsplit(url)
    if where.scheme != scheme or not where.hostname:
        message = f"is no {scheme}://HOST:PORT"
        raise ValueError(message)
    return where.hostname, where.port or port


@contextlib.contextmanager
def cut_after(seconds: float, connection: socket.socket | None) -> Iterator[None]:
    """Cut a connection (None for none) that lasts too long: who waits for it then hears its end.

    A socket's own limit begins anew with each octet. Raises TimeoutError in place of whatever was
    made of the end.
    """
    late = threading.Event()

    def cut() -> None:
        late.set()
        if connection is not None:
            with contextlib.suppress(OSError):  # It was closed meanwhile.
                # Not TLS's own, which would take the session from who reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    message = f"took longer than {seconds:g} s"
    end = threading.Timer(seconds, cut)
    end.daemon = True
    end.start()
    try:
        try:
            yield
        finally:
            end.cancel()
            end.join()
    except Exception as error:
        if late.is_set():
            raise TimeoutError(message) from error
        raise
    if late.is_set():
        raise TimeoutError(message)
