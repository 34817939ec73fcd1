"""The SYN proxy: a flood of forged SYNs costs the service nothing, and its clients get through."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.system.rulelab.router import inside

from phage.clock import SystemClock
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
    SynProxy,
)
from phage.respond.nft.apply import RuleSwitch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.system

CLIENT, SERVER = "10.3.1.2", "10.3.2.2"
CLIENT6, SERVER6 = "fd03:1::2", "fd03:2::2"
ROUTER, ROUTER6 = "10.3.1.1", "fd03:1::1"
REFUSED = "10.3.1.66"
PORT = 8080
TALK = 300_000
"""Octets that a client sends and gets back: more than the windows that the proxy promises."""

_TRACKED = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_LOOSE = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_loose")

_PLAN = """
link add c0 type veth peer name eth0 netns {client}
link add s0 type veth peer name eth0 netns {server}
link set lo up
link set c0 up
link set s0 up
addr add 10.3.1.1/24 dev c0
addr add 10.3.2.1/24 dev s0
addr add fd03:1::1/64 dev c0 nodad
addr add fd03:2::1/64 dev s0 nodad
route add default via 10.3.1.2
"""

_HOST = """
link set lo up
link set eth0 up
addr add 10.3.{net}.2/24 dev eth0
addr add fd03:{net}::2/64 dev eth0 nodad
route add default via 10.3.{net}.1
route add default via fd03:{net}::1
"""


class Path3:
    """Client, router and server in a row."""

    def __init__(self, name: str) -> None:
        self.client, self.router, self.server = (f"{name}{end}" for end in "crs")

    def build(self) -> None:
        for namespace in (self.client, self.router, self.server):
            run("ip", "netns", "add", namespace)
        plan = _PLAN.format(client=self.client, server=self.server)
        run("ip", "-n", self.router, "-batch", "-", text=plan)
        for net, namespace in ((1, self.client), (2, self.server)):
            run("ip", "-n", namespace, "-batch", "-", text=_HOST.format(net=net))
        run("ip", "-n", self.client, "addr", "add", f"{REFUSED}/24", "dev", "eth0")
        with inside(self.router):
            for name in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
                Path("/proc/sys", name).write_text("1", encoding="ascii")

    def close(self) -> None:
        for namespace in (self.client, self.router, self.server):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


class Echo:
    """A service that sends back what it gets."""

    def __init__(self, namespace: str) -> None:
        with inside(namespace):
            self._listener = socket.create_server(
                ("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=8
            )
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    while octets := connection.recv(1 << 16):
                        connection.sendall(octets)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()


def run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def talk(namespace: str, address: str, source: str = "", patience: float = 60.0) -> int:
    """Connect from a namespace, send octets, return how many come back."""
    with inside(namespace):
        where = (source, 0) if source else None
        connection = socket.create_connection((address, PORT), patience, where)
    with connection:
        sender = threading.Thread(target=connection.sendall, args=(bytes(TALK),))
        sender.start()
        got = 0
        while got < TALK and (octets := connection.recv(1 << 16)):
            got += len(octets)
        sender.join()
    return got


def rules(*services: str) -> PacketRules:
    networks = tuple(ip_network(each) for each in services)
    port = ((PORT, PORT),)
    hooks = frozenset({Hook.FORWARD, Hook.INPUT})
    refused = PacketRule(
        "refused", PacketAction.DROP, hooks, source=Addresses((ip_network(REFUSED),))
    )
    web = PacketRule("web", PacketAction.ACCEPT, hooks, services=(Service(6, port),), new=True)
    # IPv6 finds its neighbours by packets to the router itself and from it.
    return PacketRules(
        (refused, web),
        ((Hook.FORWARD, PacketAction.DROP), (Hook.INPUT, PacketAction.DROP)),
        synproxy=(SynProxy(networks, port),),
    )


@pytest.fixture
def path(needs: Callable[..., None]) -> Iterator[Path3]:
    needs("ip", "nft", "hping3")
    built = Path3(f"nfts{os.getpid()}")
    try:
        built.build()
        yield built
    finally:
        built.close()


@pytest.fixture
def switch(path: Path3, tmp_path: Path) -> Iterator[RuleSwitch]:
    with inside(path.router):
        made = RuleSwitch(tmp_path / "rules.json", SystemClock())
        made.restore()
        yield made
        made.close()


def segments(namespace: str) -> int:
    """Return how many segments the TCP of a namespace has received."""
    with inside(namespace):
        lines = Path("/proc/thread-self/net/snmp").read_text(encoding="ascii").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["InSegs"])


def test_a_flood_does_not_reach_the_service_and_clients_do(path: Path3, switch: RuleSwitch) -> None:
    switch.apply(rules(f"{SERVER}/32", f"{SERVER6}/128"), 0)
    with contextlib.closing(Echo(path.server)):
        before = segments(path.server)
        flood = ("hping3", "-q", "-S", "-p", str(PORT), "--rand-source", "-i", "u100", "-c", "5000")
        flooding = subprocess.Popen(
            ["ip", "netns", "exec", path.client, *flood, SERVER],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert segments(path.server) == before
            assert talk(path.client, SERVER) == TALK
            assert talk(path.client, SERVER6) == TALK
        finally:
            flooding.wait(60)
        with pytest.raises(TimeoutError):
            talk(path.client, SERVER, REFUSED, patience=1.5)
        tracked = _TRACKED.read_text(encoding="ascii")
    switch.tick(1)
    hits = {rule: packets for rule, packets, _ in switch.hits()}
    # Some of the random sources are none that a router takes: loopback, multicast.
    assert hits["web"] >= 3000
    assert hits["refused"] >= 1
    assert int(tracked) < 100, "forged SYNs are tracked"
    assert segments(path.server) - before < 2000, "two conversations are not all it heard"


def test_the_services_of_the_machine_itself_are_shielded_too(
    path: Path3, switch: RuleSwitch
) -> None:
    assert _LOOSE.read_text(encoding="ascii").strip() == "1"
    switch.apply(rules(f"{ROUTER}/32", f"{ROUTER6}/128"), 0)
    assert _LOOSE.read_text(encoding="ascii").strip() == "0"
    with contextlib.closing(Echo(path.router)):
        assert talk(path.client, ROUTER) == TALK
        assert talk(path.client, ROUTER6) == TALK
        # Who is allowed meets no proxy.
        allowed = replace(rules(f"{ROUTER}/32"), protect=(ip_network(f"{CLIENT}/32"),))
        switch.apply(allowed, 0)
        assert talk(path.client, ROUTER) == TALK
    switch.apply(PacketRules(), 0)
    assert _LOOSE.read_text(encoding="ascii").strip() == "1"
