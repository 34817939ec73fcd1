"""A sensor that joined over TLS: what it sees is found at the controller, until it is revoked."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from phage.testing.ports import free_port
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

PATIENCE = 90.0
PASSWORD = "correct horse battery"


class Phage:
    """A process of phage, and what it says."""

    def __init__(self, folder: Path, *arguments: str, namespace: str = "", **settings: str) -> None:
        self.environment = environment(folder, **settings)
        inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.process = subprocess.Popen(
            [*inside, sys.executable, "-m", "phage", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def says(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))

    def said(self) -> str:
        return "".join(self.lines)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._thread.join(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    named = {f"PHAGE_{name.upper()}": value for name, value in settings.items()}
    return os.environ | named | {"PHAGE_STATE_DIR": str(folder / "state"), "HOME": str(folder)}


def phage(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phage", *arguments],
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def lab() -> Iterator[tuple[str, str]]:
    """Give a namespace with a link inside, and one that leads out to the controller."""
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    name = f"sens{secrets.token_hex(3)}"
    other, own, there = f"{name}o", f"v{name}a", f"v{name}b"
    ip("netns", "add", name)
    ip("netns", "add", other)
    try:
        ip("link", "add", own, "type", "veth", "peer", "name", there, "netns", name)
        ip("addr", "add", "10.77.31.1/30", "dev", own)
        ip("link", "set", own, "up")
        ip("-n", name, "addr", "add", "10.77.31.2/30", "dev", there)
        for link in ("lo", there):
            ip("-n", name, "link", "set", link, "up")
        ip(
            "-n",
            name,
            "link",
            "add",
            "lan0",
            "type",
            "veth",
            "peer",
            "name",
            "lan1",
            "netns",
            other,
        )
        for space, link, address in (
            (name, "lan0", "192.168.7.1/24"),
            (other, "lan1", "192.168.7.5/24"),
        ):
            ip("-n", space, "addr", "add", address, "dev", link)
            ip("-n", space, "link", "set", link, "up")
        yield name, other
    finally:
        for space in (name, other):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def scan(namespace: str) -> None:
    """Knock at many ports of the machine with the sensor, at no rate that would be a flood."""
    program = (
        "import socket, time\n"
        "for port in range(1, 400):\n"
        "    s = socket.socket(); s.settimeout(0.2)\n"
        "    s.connect_ex(('192.168.7.1', port)); s.close(); time.sleep(0.005)\n"
    )
    subprocess.run(
        ["ip", "netns", "exec", namespace, sys.executable, "-c", program], check=True, timeout=120
    )


def test_a_sensor_joins_is_heard_and_is_revoked(lab: tuple[str, str], tmp_path: Path) -> None:
    namespace, other = lab
    port = free_port()
    home = tmp_path / "controller"
    settings = {
        "api__listen": f"10.77.31.1:{port}",
        "api__tls": "self-made",
        "bus__sensors": "true",
    }
    controller = Phage(home, "run", "--no-interface", **settings)
    sensor = again = None
    try:
        until(controller.said, lambda: controller.says("watching"))
        made = phage(home, "users", "add", "anna", "--role", "admin")
        assert made.returncode == 0, made.stderr
        invited = phage(home, "sensors", "invite", "edge", **settings)
        assert invited.returncode == 0, invited.stderr
        url, token = f"https://10.77.31.1:{port}", invited.stdout.strip()
        folder = tmp_path / "sensor"
        written = tmp_path / "invitation"
        written.write_text(f"{token}\n")
        joining = ("sensor", "--join", url, f"@{written}", "-i", "lan0")
        quiet = {"capture__mode": "full"}
        sensor = Phage(folder, *joining, namespace=namespace, **quiet)
        until(sensor.said, lambda: sensor.says("sensing lan0"))
        assert (folder / "state" / "sensor.json").stat().st_mode & 0o077 == 0
        # The invitation is used up, and a forged server is not talked to.
        twice = phage(tmp_path / "thief", *joining)
        assert twice.returncode == 1, twice.stdout
        assert "not valid" in twice.stderr
        forged = phage(tmp_path / "forged", "sensor", "--join", url, f"x~{'0' * 64}", "-i", "lan0")
        assert "not the one of the invitation" in forged.stderr
        end = time.monotonic() + PATIENCE
        while not any("portscan" in line and "192.168.7.5" in line for line in controller.lines):
            assert time.monotonic() < end, controller.said() + sensor.said()
            scan(other)
        listed = phage(home, "sensors", "list")
        assert "joined" in listed.stdout
        # It knows who it is after a restart, also where its service says again how it joined.
        sensor.end()
        # What it learned lies at its controller too, and is given back where it was lost.
        assert list((home / "state/models/sensors/edge").glob("ensemble-lan0-0.*.model"))
        shutil.rmtree(folder / "state/models")
        again = Phage(folder, *joining, namespace=namespace, **quiet)
        until(again.said, lambda: again.says("sensing lan0"))
        assert list((folder / "state/models").glob("ensemble-lan0-0.*.model"))
        revoked = phage(home, "sensors", "revoke", "edge")
        assert revoked.returncode == 0, revoked.stderr
        until(again.said, lambda: again.process.poll() is not None)
        assert again.process.returncode == 1
        assert again.says("revoked"), again.said()
    finally:
        for each in (again, sensor, controller):
            if each is not None:
                each.end()
