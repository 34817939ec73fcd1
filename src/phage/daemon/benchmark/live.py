"""Live measurements: a veth pair in a network namespace of our own. Needs root and iproute2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 3.0
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
import json, sys, time
from phage.collect.collectors.afpacket import AfPacketCollector, RingSettings
from phage.collect.packets import EngineSettings
collector = AfPacketCollector(
    EngineSettings(flows=False, applications=False, ring_octets=0, train=100_000),
    "right", RingSettings(),
)
collector.open()
print("ready", flush=True)
until = time.monotonic() + float(sys.argv[1])
spent = time.thread_time()
for window in collector.windows():
    if time.monotonic() > until:
        break
counters = dict(collector.counters())
counters["cpu_ms"] = int((time.thread_time() - spent) * 1000)
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


def live_rate() -> dict[str, float]:
    """Return packets a second received, the share dropped, and the receiver's share of a core."""
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
    }


def idle_memory() -> float:
    """Return the proportional set size in bytes of `phage run` on a quiet interface."""
    with veth() as namespace, tempfile.TemporaryDirectory(prefix="phage-idle-") as folder:
        Path(folder).chmod(0o711)
        daemon = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "phage", "run", "-i", "right",
             "--state-dir", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(5)
            return float(proportional_set_size(daemon.pid))
        finally:
            daemon.terminate()
            daemon.wait(timeout=20)


def proportional_set_size(pid: int) -> int:
    """Return the PSS in bytes of a process and its children (proc_pid_smaps_rollup(5))."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    own = int(found[1]) * 1024 if found else 0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return own + sum(proportional_set_size(int(child)) for child in children)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
