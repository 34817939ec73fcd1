"""A router in a network namespace; its wires end in another, where packets are put on them.

Forwarded and sent packets are seen on the wire, packets to the router itself by raw sockets, which
get what passed the input hook.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.system.rulelab.chance import INSIDE, LOCAL_HOST, NETS, OUTSIDE
from tests.system.rulelab.packets import (
    ICMP,
    ICMPV6,
    OTHER,
    TCP,
    UDP,
    Packet,
    frame,
    ip_packet,
    number_of,
)

from phage.records.packetrule import Hook

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MARK = 77
"""Of what the test sends from the router; the router's own answers are dropped."""

GATEWAY_MAC = bytes.fromhex("02005e0000fe")
PATIENCE_SECONDS = 30.0

_SETTINGS = """
net.ipv4.ip_forward=1
net.ipv6.conf.all.forwarding=1
net.ipv4.conf.all.rp_filter=0
net.ipv4.conf.default.rp_filter=0
net.ipv4.conf.all.accept_local=1
net.ipv6.conf.default.accept_dad=0
net.ipv6.conf.default.accept_ra=0
net.ipv6.conf.default.router_solicitations=0
net.ipv6.conf.default.addr_gen_mode=1
net.netfilter.nf_conntrack_checksum=1
"""

# What the router says by itself must not use up anybody's limit.
_SILENCE = f"""
table inet silence {{
	chain output {{
		type filter hook output priority -400; policy accept;
		meta mark != {MARK} drop
	}}
}}
"""

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put this thread into a network namespace for a while."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(before)
        os.close(before)
        os.close(there)


def _enter(number: int) -> None:
    if _libc.setns(number, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


class Router:
    """The router, its wires, and who listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wires = f"{name}w"
        self.macs: dict[str, bytes] = {}
        self.taps: dict[str, socket.socket] = {}
        self.listeners: list[socket.socket] = []
        self.senders: dict[int, socket.socket] = {}

    def build(self) -> None:
        """Make namespaces, interfaces, addresses, routes and sockets."""
        _run("ip", "netns", "add", self.name)
        _run("ip", "netns", "add", self.wires)
        with inside(self.name):
            for setting in _SETTINGS.split():
                key, _, value = setting.partition("=")
                Path("/proc/sys", *key.split(".")).write_text(value, encoding="ascii")
            commands = ["link set lo up"]
            for interface in INSIDE + OUTSIDE:
                commands += self._interface(interface)
            _run("ip", "-batch", "-", text="\n".join(commands))
            _run("nft", "-f", "-", text=_SILENCE)
            self.macs = {
                interface: bytes.fromhex(
                    _run("ip", "-br", "link", "show", interface).split()[2].replace(":", "")
                )
                for interface in INSIDE + OUTSIDE
            }
            self._listen()
        with inside(self.wires):
            for interface in INSIDE + OUTSIDE:
                Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")
                _run("ip", "link", "set", interface, "up")
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                tap.bind((interface, 3))
                _ignore_outgoing(tap)
                tap.setblocking(False)
                self.taps[interface] = tap

    def _interface(self, interface: str) -> list[str]:
        four = _dotted(NETS[interface][4])
        gateway4 = _dotted(NETS[interface][4] + 0xFFFD)
        six = _colons(NETS[interface][6])
        own4, own6 = (
            _dotted(NETS[interface][4] + LOCAL_HOST[4]),
            _colons(NETS[interface][6] + LOCAL_HOST[6]),
        )
        gateway6 = _colons(NETS[interface][6] + 0xFFFD)
        mac = GATEWAY_MAC.hex(":")
        return [
            f"link add {interface} type veth peer name {interface} netns {self.wires}",
            f"link set {interface} up",
            f"addr add {own4}/30 dev {interface}",
            f"addr add {own6}/120 dev {interface} nodad",
            f"neigh replace {gateway4} lladdr {mac} dev {interface} nud permanent",
            f"neigh replace {gateway6} lladdr {mac} dev {interface} nud permanent",
            f"route add {four}/16 via {gateway4} dev {interface}",
            f"route add {six}/48 via {gateway6} dev {interface}",
        ]

    def _listen(self) -> None:
        for protocol in (TCP, UDP, ICMP, OTHER):
            self.listeners.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))
        for protocol in (TCP, UDP, ICMPV6, OTHER):
            self.listeners.append(socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol))
        for each in self.listeners:
            each.setblocking(False)
        for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            sender = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
            sender.setsockopt(socket.SOL_SOCKET, 36, MARK)  # SO_MARK
            self.senders[version] = sender

    def send(self, packet: Packet, number: int) -> None:
        """Send a packet with its number, from the wire or from the router itself."""
        if packet.hook is Hook.OUTPUT:
            if packet.version == 4:
                there = (_dotted(packet.destination), 0)
            else:
                there = (_colons(packet.destination), 0)
            with contextlib.suppress(PermissionError):  # What the output hook drops.
                self.senders[packet.version].sendto(ip_packet(packet, number), there)
            return
        mac = self.macs[packet.in_interface]
        self.taps[packet.in_interface].send(frame(packet, number, mac))

    def arrived(self, wanted: Collection[int], patience: float = PATIENCE_SECONDS) -> set[int]:
        """Return the numbers of packets that arrived, waiting for those that are wanted."""
        found: set[int] = set()
        late = time.monotonic() + patience
        while True:
            for each in (*self.taps.values(), *self.listeners):
                found |= _drained(each)
            if found.issuperset(wanted) or time.monotonic() > late:
                return found
            time.sleep(0.0005)

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Let the router answer by itself for a while."""
        _run("nft", "delete", "table", "inet", "silence")
        try:
            yield
        finally:
            _run("nft", "-f", "-", text=_SILENCE)

    def close(self) -> None:
        """Close the sockets and remove the namespaces."""
        for each in (*self.taps.values(), *self.listeners, *self.senders.values()):
            each.close()
        for namespace in (self.name, self.wires):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def _drained(source: socket.socket) -> set[int]:
    found = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            number = number_of(source.recv(4096))
            if number is not None:
                found.add(number)
    return found


def _ignore_outgoing(tap: socket.socket) -> None:
    tap.setsockopt(263, 23, struct.pack("i", 1))  # SOL_PACKET, PACKET_IGNORE_OUTGOING


def _dotted(number: int) -> str:
    return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))


def _colons(number: int) -> str:
    return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
