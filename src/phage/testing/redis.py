"""A private Redis server for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess  # noqa: TID251  A server for tests.
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run redis-server on a free port of loopback; yield its URL.

    Raises FileNotFoundError where there is none.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        message = "redis-server is not installed"
        raise FileNotFoundError(message)
    port = free_port()
    server = subprocess.Popen(  # noqa: S603  Its own arguments.
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(port, server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=60)


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            if server.poll() is not None:
                raise
            threading.Event().wait(0.05)
        else:
            return
    message = f"{server.args!r} does not answer"
    raise TimeoutError(message)
