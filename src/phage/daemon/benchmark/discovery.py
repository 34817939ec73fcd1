"""Active scans over a veth pair between two network namespaces. Needs root and iproute2."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.devices.discovery.pace import Pace
from phage.devices.discovery.ports import PortScan, parse_ports
from phage.devices.discovery.sweep import Sweep
from phage.devices.discovery.targets import wires
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK = "10.66.0.0/16"
ALIVE = "10.66.128.0/17"
"""Half of all addresses answer, as that of one far machine."""

NEAR, FAR = "10.66.0.1", "10.66.0.2"
ANSWER_SECONDS = 0.2
RUNS = 3
PEER = "nmap -sS -p-"


def figures(job: str) -> dict[str, float]:
    """Return what one job measures, in namespaces of its own; medians."""
    with _far_machine() as inside:
        done = subprocess.run(
            [*inside, sys.executable, "-m", __name__, job],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        if done.returncode != 0:
            message = f"the measurement failed: {done.stderr.strip()[-500:]}"
            raise PhageError(message)
        found: dict[str, float] = json.loads(done.stdout)
        if job == "ports" and shutil.which("nmap"):
            began = time.perf_counter()
            subprocess.run(
                [*inside, "nmap", "-sS", "-p-", "-n", "-Pn", "-T5", FAR],
                capture_output=True,
                check=True,
            )
            found["peer"] = time.perf_counter() - began
        return found


@contextmanager
def _far_machine() -> Iterator[list[str]]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        message = "this measurement needs root and iproute2, for network namespaces"
        raise PhageError(message)
    near, far = f"phage-b{os.getpid()}", f"phage-c{os.getpid()}"
    try:
        for name in (near, far):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "eth0", "netns", near, "type", "veth",
            "peer", "name", "eth0", "netns", far)  # fmt: skip
        for name, address in ((near, NEAR), (far, FAR)):
            _ip("-n", name, "addr", "add", f"{address}/16", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", far, "route", "add", "local", ALIVE, "dev", "lo")
        yield ["ip", "netns", "exec", near]
    finally:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def sweep() -> dict[str, float]:
    """Measure a sweep of a /16 by ARP; how many of those that are there were found."""
    (wire,) = wires()
    network = ipaddress.ip_network(NETWORK)
    seconds, found = [], []
    for _ in range(RUNS):
        asked = Sweep(Pace(SystemClock()), ANSWER_SECONDS)
        began = time.perf_counter()
        asked.arp(wire, [network])
        seconds.append(time.perf_counter() - began)
        found.append(len(asked.found))
    there = ipaddress.ip_network(ALIVE).num_addresses  # But one: the last is the broadcast's.
    return {"seconds": sorted(seconds)[RUNS // 2], "found": min(found) / there}


def ports() -> dict[str, float]:
    """Measure all ports of one host; how many answered."""
    seconds, answered = [], []
    for _ in range(RUNS):
        asked = PortScan(Pace(SystemClock()), ANSWER_SECONDS)
        began = time.perf_counter()
        asked.run([(FAR, 0)], parse_ports("all"))
        seconds.append(time.perf_counter() - began)
        answered.append(asked.closed[FAR] + len(asked.open[FAR]))
    return {"seconds": sorted(seconds)[RUNS // 2], "answered": min(answered) / 65_535}


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"sweep": sweep, "ports": ports}[sys.argv[1]]()))
