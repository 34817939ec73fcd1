"""Ports of loopback for servers of tests."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from phage.testing.waiting import until

if TYPE_CHECKING:
    import subprocess  # noqa: TID251  A server for tests.

LOWEST = 10_000

_chance = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """Return a port of loopback on which nobody listens, by TCP and UDP; another each time.

    None of those that the kernel gives away by itself: one such may be somebody's again before a
    server takes it, or while the server is restarted.
    """
    words = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    highest = max(int(words[0]), LOWEST + 10_000)
    while True:
        port = _chance.randrange(LOWEST, highest)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with (
        suppress(OSError),
        socket.socket() as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", port))
        udp.bind(("127.0.0.1", port))
        return True
    return False


def await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers. Raises AssertionError when it ended or does not."""

    def answers() -> bool:
        if server.poll() is not None:
            message = f"{server.args!r} ended with {server.returncode}"
            raise AssertionError(message)
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return True
        return False

    until(f"an answer of {server.args!r}", answers, pause=0.05)
