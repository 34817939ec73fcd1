"""A private Redis server for tests."""

from __future__ import annotations

import shutil
import subprocess  # noqa: TID251  A server for tests.
from contextlib import contextmanager
from typing import TYPE_CHECKING

from phage.testing.ports import await_port, free_port

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
