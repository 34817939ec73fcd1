"""Live measurements: a veth pair in a network namespace of our own. Needs root and iproute2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.access.roles import Role
from phage.api.security import COOKIE
from phage.clock import SystemClock
from phage.config.statedir import StateDirectory
from phage.daemon.benchmark import traffic
from phage.daemon.memory import TRIM_SECONDS
from phage.errors import PhageError
from phage.store.store import StoreLocation, open_store
from phage.web.render import MENU

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 3.0
# An hour of a home that transfers 870 MB; and the rate at which its frames, 870 octets at the mean,
# make 100 Mbit/s.
HOUR_PACKETS = 1_000_000
HOME_RATE = 14_400.0
HOME_SECONDS = 12.0
WARM_UP = 1.0

# Runs inside the namespace: one process sends on one core, another receives on the other.
_SENDER = """
import sys
from phage.native import Transmitter
frames = []
for number in range(2000):
    src = (0x0A000001 + number).to_bytes(4, "big")
    dst = (0x0A010000 + number * 7 % 500).to_bytes(4, "big")
    ip = bytes.fromhex("45000032000000004011 0000".replace(" ", "")) + src + dst
    udp = (1024 + number).to_bytes(2, "big") + bytes.fromhex("0035001e0000")
    frames.append(bytes.fromhex("020000000002020000000001 0800".replace(" ", "")) + ip + udp +
    bytes(22))
print(Transmitter("left").send(frames, count=10**9, seconds=float(sys.argv[1])))
"""

_RECEIVER = """
import json, os, sys, time
from phage.collect.collectors.afpacket import AfPacketCollector, RingSettings
from phage.collect.packets import EngineSettings
collector = AfPacketCollector(
    EngineSettings(**json.loads(sys.argv[2])), "right", RingSettings(),
)
collector.open()
print("ready", flush=True)
until = time.monotonic() + float(sys.argv[1])
spent, user = time.thread_time(), os.times().user
for window in collector.windows():
    if time.monotonic() > until:
        break
counters = dict(collector.counters())
counters["cpu_ms"] = int((time.thread_time() - spent) * 1000)
counters["user_us"] = int((os.times().user - user) * 1_000_000)
print(json.dumps(counters))
"""


@contextmanager
def veth() -> Iterator[str]:
    """Make a namespace with a veth pair `left` and `right`; remove it at the end."""
    if os.geteuid() != 0:
        message = "measuring live capture needs root (for a network namespace of its own)"
        raise PhageError(message)
    name = f"phage-bench-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "add", "left", "type", "veth", "peer", "name", "right")
        _ip("-n", name, "link", "set", "left", "up")
        _ip("-n", name, "link", "set", "right", "up")
        yield name
    finally:
        _ip("netns", "del", name)


KITSUNE: dict[str, object] = {
    "flows": False, "applications": False, "ring_octets": 0, "train": 100_000
}  # fmt: skip
"""Settings of the engine: damped statistics, one ensemble."""

HOST_MODE: dict[str, object] = {
    "flows": False, "scores": False, "applications": False, "ring_octets": 0, "requests": ""
}  # fmt: skip
"""Volumes by host and prefix, requests by source."""


def live_rate(settings: dict[str, object] | None = None) -> dict[str, float]:
    """Return packets a second received, those dropped or missed, and the receiver's CPU.

    `user_us` is its user time a packet, in microseconds.
    """
    with veth() as namespace:
        inside = ["ip", "netns", "exec", namespace]
        receiver = subprocess.Popen(
            [
                *inside,
                "taskset",
                "-c",
                "1",
                sys.executable,
                "-c",
                _RECEIVER,
                str(SECONDS + WARM_UP),
                json.dumps(settings or KITSUNE),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert receiver.stdout is not None  # noqa: S101  A pipe was asked for.
            receiver.stdout.readline()
            sent = subprocess.run(
                [*inside, "taskset", "-c", "0", sys.executable, "-c", _SENDER, str(SECONDS)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=60,
            )
            counters = json.loads(receiver.communicate(timeout=60)[0])
        finally:
            receiver.kill()
    return {
        "sent": float(sent.stdout),
        "received": counters["source.packets"],
        "dropped": counters["source.dropped"],
        "rate": counters["source.packets"] / SECONDS,
        "cpu": counters["cpu_ms"] / 1000 / SECONDS,
        "missed": float(sent.stdout) - counters["packets"],
        "user_us": counters["user_us"] / max(1, counters["packets"]),
    }


_HOME_SENDER = """
import struct, sys
from phage.native import Transmitter
frames = []
with open(sys.argv[1], "rb") as file:
    file.seek(24)
    while header := file.read(16):
        frames.append(file.read(struct.unpack("<IIII", header)[2]))
sender = Transmitter("left")
for line in sys.stdin:
    count, rate = line.split()
    sent = sender.send(frames, count=int(count), seconds=300.0, rate=float(rate))
    print(sent, flush=True)
"""


def home_run() -> dict[str, float]:
    """Return the CPU of `phage run` in cores at 100 Mbit/s, and its PSS in bytes after an hour.

    The hour's packets are sent in under a minute: nothing has time to expire, so that the memory is
    more than an hour would take. The model is learning meanwhile, which costs more than watching.
    """
    with veth() as namespace, tempfile.TemporaryDirectory(prefix="phage-home-") as folder:
        Path(folder).chmod(0o711)
        capture = Path(folder) / "home.pcap"
        traffic.write_pcap(capture, traffic.home_network(200_000))
        inside = ["ip", "netns", "exec", namespace, sys.executable]
        state = Path(folder) / "state"
        daemon = subprocess.Popen(
            [*inside, "-m", "phage", "run", "-i", "right", "--state-dir", str(state)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        sender = subprocess.Popen(
            [*inside, "-c", _HOME_SENDER, str(capture)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            time.sleep(3)
            _send(sender, HOUR_PACKETS, 2 * HOME_RATE)
            spent, began = cpu_seconds(daemon.pid), time.monotonic()
            sent = _send(sender, int(HOME_RATE * HOME_SECONDS), HOME_RATE)
            cpu = (cpu_seconds(daemon.pid) - spent) / (time.monotonic() - began)
            memory = proportional_set_size(daemon.pid)
            return {"cpu": cpu, "memory": float(memory), "sent": sent}
        finally:
            sender.kill()
            daemon.terminate()
            daemon.wait(timeout=20)


def _send(sender: subprocess.Popen[str], count: int, rate: float) -> int:
    assert sender.stdin is not None  # noqa: S101  Pipes were asked for.
    assert sender.stdout is not None  # noqa: S101
    print(count, rate, file=sender.stdin, flush=True)
    return int(sender.stdout.readline())


def cpu_seconds(pid: int) -> float:
    """Return the CPU time in seconds of a process and its children (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return own + sum(cpu_seconds(int(child)) for child in children)


_VISITOR = """
import sys, time, urllib.error, urllib.request
for path in sys.argv[2:]:
    asked = urllib.request.Request("http://127.0.0.1:8080" + path, headers={"Cookie": sys.argv[1]})
    for _ in range(300):
        try:
            urllib.request.urlopen(asked, timeout=30).read()
        except urllib.error.HTTPError:
            break
        except urllib.error.URLError:  # It has not begun to serve.
            time.sleep(0.1)
        else:
            break
"""


def idle_memory() -> tuple[int, int, int]:
    """Return the proportional set size in bytes of `phage run` on a quiet interface.

    First once its server was asked for a sign of life, then after a visit to every page of the
    dashboard's menu, when it has given back what the visit took; at last what it takes then where
    nobody else, as this process does, has its libraries in memory.
    """
    with veth() as namespace, tempfile.TemporaryDirectory(prefix="phage-idle-") as folder:
        Path(folder).chmod(0o711)
        _ip("-n", namespace, "link", "set", "lo", "up")
        inside = ["ip", "netns", "exec", namespace, sys.executable]
        visit = [*inside, "-c", _VISITOR]
        daemon = subprocess.Popen(
            [*inside, "-m", "phage", "run", "-i", "right", "--state-dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            subprocess.run([*visit, "", "/healthz"], check=True)
            time.sleep(5)
            quiet = proportional_set_size(daemon.pid)
            pages = [place.path for _, places in MENU for place in places]
            subprocess.run([*visit, _cookie(Path(folder)), *pages], check=True, timeout=300)
            time.sleep(TRIM_SECONDS + 5)
            return quiet, proportional_set_size(daemon.pid), size_alone(daemon.pid)
        finally:
            daemon.terminate()
            daemon.wait(timeout=20)


def _cookie(state: Path) -> str:
    """Return the cookie of a new admin's session."""
    clock = SystemClock()
    with open_store(StoreLocation.of("", "", StateDirectory(state).store), clock) as store:
        access = make_access(store, clock)
        access.users.add("bench", Role.ADMIN)
        return f"{COOKIE}={access.sessions.begin('bench', '127.0.0.1', 'bench')}"


def size_alone(pid: int) -> int:
    """Return what a process and its children take in bytes where they share with nobody else.

    Their own pages, and each mapped file once (proc_pid_smaps(5)).
    """
    own, files = 0, Counter[str]()
    for each in _family(pid):
        name, size = "", Counter[str]()
        lines = Path(f"/proc/{each}/smaps").read_text(encoding="utf-8", errors="replace")
        for line in [*lines.splitlines(), "end"]:
            field, _, rest = line.partition(":")
            if field in {"Rss", "Anonymous"}:
                size[field] = int(rest.split()[0]) * 1024
            elif line == "end" or "-" in line.split(" ", 1)[0]:  # The next mapping.
                files[name] = max(files[name], size["Rss"] - size["Anonymous"])
                size.clear()
                parts = line.split(maxsplit=5)
                name = " ".join(parts[2:])
        rollup = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss_Anon:\s+(\d+) kB", rollup, re.MULTILINE)
        own += int(found[1]) * 1024 if found else 0
    return own + files.total()


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def proportional_set_size(pid: int) -> int:
    """Return the PSS in bytes of a process and its children (proc_pid_smaps_rollup(5))."""
    total = 0
    for each in _family(pid):
        text = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
        found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(found[1]) * 1024 if found else 0
    return total


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
