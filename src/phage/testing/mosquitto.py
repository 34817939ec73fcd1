"""A private MQTT broker for tests."""

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
def mosquitto(folder: Path, port: int = 0, more: str = "allow_anonymous true") -> Iterator[int]:
    """Run mosquitto on a port of loopback, a free one for 0; yield the port.

    Raises FileNotFoundError where there is none.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        message = "mosquitto is not installed"
        raise FileNotFoundError(message)
    port = port or free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nuser root\npersistence false\n{more}\n")
    server = subprocess.Popen(  # noqa: S603  Its own arguments.
        [program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_port(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=60)
