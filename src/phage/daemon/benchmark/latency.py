"""What blocking costs those who are not blocked: latency and throughput through a router.

Two routers in namespaces of our own, one with nothing on and one with 100,000 bans and a rule set,
are measured in turn, so that what else the machine does falls on both. Needs root, iproute2, ping,
iperf3 and nftables.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.decision import Action, Decision, Rate, Target, TargetKind
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
)
from phage.respond.nft.apply import RuleSwitch
from phage.respond.responders.nftables import NftablesResponder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BANS = 100_000
RULES = 200
ROUNDS = 7
PINGS = 1000
PING_SECONDS = 0.002
"""ping(8) waits at least that long between two packets; shorter ones would be a flood."""
TRANSFER_SECONDS = 3
TRANSFERS = 5
BAN_SECONDS = 3600
PATIENCE_SECONDS = 120.0
"""Every program that is started here ends by itself in some seconds."""

TARGET = "10.4.1.2"
_FIRST_BANNED = 11 << 24
_TIME = re.compile(r"time=([\d.]+) ms")
_ARM = "import sys; from phage.daemon.benchmark.latency import arm; arm(sys.argv[1])"


@frozen
class Cost:
    """What was measured: latencies in microseconds, throughputs in bits a second."""

    latency_bare: float
    latency_armed: float
    latency_added: float
    throughput_bare: float
    throughput_armed: float


def measure() -> Cost:
    """Measure both routers in turn. Raises PhageError where that is not possible."""
    if os.geteuid() != 0:
        message = "measuring a router needs root (for network namespaces of its own)"
        raise PhageError(message)
    with (
        Router("bare").built() as bare,
        Router("armed").built() as armed,
        tempfile.TemporaryDirectory(prefix="phage-latency-") as folder,
    ):
        _run(*_inside(armed.box), sys.executable, "-c", _ARM, folder)
        trips = [_both(bare.round_trip, armed.round_trip, turn) for turn in range(ROUNDS)]
        rates = [_both(bare.throughput, armed.throughput, turn) for turn in range(TRANSFERS)]
    return Cost(
        statistics.median(one for one, _ in trips),
        statistics.median(other for _, other in trips),
        statistics.median(other - one for one, other in trips),
        statistics.median(one for one, _ in rates),
        statistics.median(other for _, other in rates),
    )


def arm(folder: str) -> None:
    """Put bans and rules into force in this network namespace."""
    now = SystemClock().now()
    bans = [
        Decision(
            Target(TargetKind.IP, str(IPv4Address(_FIRST_BANNED + 7 * number))),
            Action.BAN,
            "benchmark",
            now,
            until=now + BAN_SECONDS * 1_000_000_000,
            id=f"{number:026d}",
        )
        for number in range(BANS)
    ]
    responder = NftablesResponder(("left", "right"))
    refused = [each for each in responder.replace(bans, now) if each.state != "applied"]
    responder.close()
    if refused:
        message = f"{len(refused)} bans are not in force: {refused[0].detail}"
        raise PhageError(message)
    switch = RuleSwitch(Path(folder, "rules.json"), SystemClock())
    switch.apply(rule_set(), 0)
    switch.close()


def rule_set() -> PacketRules:
    """Return a rule set as a busy site may have: a limit for each source, many rules, a default."""
    forward = frozenset({Hook.FORWARD})
    limit = PacketRule(
        "limit", PacketAction.LIMIT, forward, rate=Rate(10_000_000, "packets"), per="source"
    )
    many = tuple(
        PacketRule(
            f"rule {number}",
            PacketAction.DROP,
            forward,
            source=Addresses((ip_network(f"172.16.{number}.0/24"),)),
            services=(Service(6, ((1000 + number, 1000 + number),)),),
        )
        for number in range(RULES)
    )
    allowed = PacketRule("inside", PacketAction.ACCEPT, forward, new=True)
    defaults = ((Hook.FORWARD, PacketAction.DROP),)
    return PacketRules((limit, *many, allowed), defaults, (ip_network("192.0.2.0/24"),))


class Router:
    """Two hosts with a router between them: `left` and `right` are its interfaces."""

    def __init__(self, kind: str) -> None:
        self.box = f"phage-{kind}-{os.getpid()}"
        self.hosts = {f"{self.box}-{side}": net for net, side in enumerate(("left", "right"))}

    @contextlib.contextmanager
    def built(self) -> Iterator[Router]:
        """Make the namespaces; remove them at the end."""
        try:
            for name in (self.box, *self.hosts):
                _run("ip", "netns", "add", name)
                _run("ip", "-n", name, "link", "set", "lo", "up")
            for name, net in self.hosts.items():
                self._connect(name, net)
            _run(*_inside(self.box), "sysctl", "-qw", "net.ipv4.ip_forward=1")
            yield self
        finally:
            for name in (*self.hosts, self.box):
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _connect(self, name: str, net: int) -> None:
        port = name.rpartition("-")[2]
        _run("ip", "-n", self.box, "link", "add", port, "type", "veth",
             "peer", "name", "eth0", "netns", name)  # fmt: skip
        for namespace, link, host in ((self.box, port, 1), (name, "eth0", 2)):
            _run("ip", "-n", namespace, "addr", "add", f"10.4.{net}.{host}/24", "dev", link)
            _run("ip", "-n", namespace, "link", "set", link, "up")
        _run("ip", "-n", name, "route", "add", "default", "via", f"10.4.{net}.1")

    def round_trip(self) -> float:
        """Return the median time in microseconds from the left to the right and back."""
        left = next(iter(self.hosts))
        times = _TIME.findall(
            _run(*_inside(left), "ping", "-c", str(PINGS), "-i", str(PING_SECONDS), TARGET)
        )
        return statistics.median(map(float, times)) * 1000

    def throughput(self) -> float:
        """Return the bits a second that one TCP connection gets through."""
        left, right = self.hosts
        server = subprocess.Popen(
            [*_inside(right), "iperf3", "-s", "-1", "--forceflush"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None  # noqa: S101  A pipe was asked for.
            while "listening" not in (line := server.stdout.readline()):
                if not line:
                    message = "iperf3 does not start"
                    raise PhageError(message)
            command = ("iperf3", "-J", "-t", str(TRANSFER_SECONDS), "-c", TARGET)
            report = json.loads(_run(*_inside(left), *command))
            server.communicate(timeout=10)
        finally:
            server.kill()
            server.wait()
        return float(report["end"]["sum_received"]["bits_per_second"])


def _both(bare: Callable[[], float], armed: Callable[[], float], turn: int) -> tuple[float, float]:
    """Measure one after the other, the first of which is another one each time."""
    if turn % 2:
        second = armed()
        return bare(), second
    return bare(), armed()


def _inside(namespace: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", namespace)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    if done.returncode:
        message = f"{' '.join(command[:6])} fails: {done.stderr.strip() or done.stdout.strip()}"
        raise PhageError(message)
    return done.stdout
