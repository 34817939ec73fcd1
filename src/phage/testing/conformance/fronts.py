"""Checks that fronts pass: each is asked over its own address on this machine."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from phage.testing.conformance.plugins import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.scan.desk import Judge

NONSENSE = (b"", b"\0" * 100, b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"x" * 200_000)


def check_listens_on_this_machine(factory: Callable[..., Any], judge: Judge) -> None:
    """Nobody elsewhere can ask unless the settings say so."""
    del judge
    defaults = vars(factory())
    expect(str(defaults["listen"]).startswith("127.0.0.1:"), "listens to others by default")
    for name in ("connections", "patience", "seconds", "largest"):
        expect(defaults.get(name), f"has no bound {name}")


def check_nonsense_ends_nothing(factory: Callable[..., Any], judge: Judge) -> None:
    """Whatever is sent, it goes on to answer."""
    front = factory(listen="127.0.0.1:0", patience=60.0)
    front.open(judge)
    try:
        for data in (*NONSENSE, *NONSENSE):
            with socket.create_connection(("127.0.0.1", front.port), 60) as connection:
                with contextlib.suppress(ConnectionError):  # It need not hear all of it.
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)
                _read(connection)
        expect(front.counters()["connections"] == 2 * len(NONSENSE), "did not take all")
    finally:
        front.close()


def check_closes(factory: Callable[..., Any], judge: Judge) -> None:
    """Closing ends connections, may be done twice, and before it was opened."""
    factory().close()
    front = factory(listen="127.0.0.1:0")
    front.open(judge)
    with socket.create_connection(("127.0.0.1", front.port), 60) as connection:
        connection.sendall(b"n")
        front.close()
        _read(connection)
    front.close()


def _read(connection: socket.socket) -> None:
    """Read to the end, which may be abrupt. Raises TimeoutError where there is none."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass


CHECKS: tuple[Callable[[Callable[..., Any], Judge], None], ...] = (
    check_listens_on_this_machine,
    check_nonsense_ends_nothing,
    check_closes,
)
