"""Sensors and detectors as processes of their own: a flood is found, and the lost are replaced."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from phage.testing.ports import free_port
from phage.testing.redis import redis_server
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

VICTIM = "10.20.30.40"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    try:
        with redis_server(tmp_path) as found:
            yield found
    except FileNotFoundError as error:
        pytest.skip(str(error))


class Role:
    """A process of phage, and what it says."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        folder.mkdir(exist_ok=True)
        environment = os.environ | {
            "PHAGE_STATE_DIR": str(folder / "state"),
            "PHAGE_API__ENABLED": "false",
            "HOME": str(folder),
            **settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phage", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def says(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._thread.join(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Callable[..., Role]]:
    made: list[Role] = []

    def make(*arguments: str, **settings: str) -> Role:
        made.append(Role(tmp_path / f"role{len(made)}", *arguments, **settings))
        return made[-1]

    yield make
    for role in made:
        role.end()


def flood(records: int = 30) -> bytes:
    """Return a datagram of NetFlow 5: records of DNS answers to the victim, 1,000 packets each."""
    uptime, now = 100_000_000, int(time.time())
    header = struct.pack(">HHIIIIBBH", 5, records, uptime, now, 0, 0, 0, 0, 0)
    body = b""
    for number in range(records):
        source = bytes([198, 51, 100, number])
        body += source + socket.inet_aton(VICTIM) + bytes(4)
        body += struct.pack(">HHIIII", 1, 2, 1000, 1_400_000, uptime - 300, uptime - 10)
        body += struct.pack(">HHBBBBHHBBH", 53, 40_000 + number, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    return header + body


def send(port: int, stop: threading.Event) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not stop.is_set():
            sender.sendto(flood(), ("127.0.0.1", port))
            stop.wait(0.1)


def test_a_flood_is_found_by_whoever_is_left(roles: Callable[..., Role], url: str) -> None:
    port = free_port()
    listen = f"127.0.0.1:{port}"
    detectors = [roles("run", "--no-interface", "--bus", url) for _ in range(2)]
    until("what a role says", lambda: all(role.says("watching bus") for role in detectors))
    first = roles("sensor", "--bus", url, "--group", "edge", "--netflow", listen)
    until("what a role says", lambda: first.says("sensing"))
    second = roles("sensor", "--bus", url, "--group", "edge", "--netflow", listen)
    until("what a role says", lambda: second.says("standing by"))
    # The sensor dies: another of its group listens within three seconds and a bit.
    first.kill()
    until("who stood by", lambda: second.says("sensing"))
    stop = threading.Event()
    sending = threading.Thread(target=send, args=(port, stop))
    sending.start()
    try:
        until("what a role says", lambda: any(role.says(VICTIM) for role in detectors))
        (finder,) = [role for role in detectors if role.says(VICTIM)]
        (other,) = [role for role in detectors if role is not finder]
        # The detector dies: the other one has its part, and finds the flood.
        finder.kill()
        until("what a role says", lambda: other.says(VICTIM))
    finally:
        stop.set()
        sending.join()


def test_what_a_sensor_learned_outlives_its_machine(roles: Callable[..., Role], url: str) -> None:
    watch = ("sensor", "--bus", url, "--group", "edge", "-i", "lo")
    first = roles(*watch, PHAGE_CAPTURE__MODE="full")
    until("what a role says", lambda: first.says("sensing"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(200):
            sender.sendto(b"x", ("127.0.0.1", 9))
    first.end()
    assert first.process.returncode == 0, first.lines
    # Its folder is gone with it; the copy at the bus is not.
    second = roles(*watch, PHAGE_CAPTURE__MODE="full")
    until("a model", lambda: second.says("restored from the copy that was kept of it"))
