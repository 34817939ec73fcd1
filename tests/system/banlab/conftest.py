"""A router between two networks, with the enforcer in it: bans met by real packets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phage.records.decision import Action, Decision, Target, TargetKind
from phage.respond.remote import EnforcerError, RemoteResponder
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("ip", "nft", "ping", "conntrack")
PATIENCE = 60.0
SECOND = 1_000_000_000


def run(*command: str, check: bool = True, text: str | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, input=text, timeout=PATIENCE, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Host:
    """One network namespace."""

    namespace: str

    def run(self, *command: str, check: bool = True, text: str | None = None) -> str:
        return run("ip", "netns", "exec", self.namespace, *command, check=check, text=text)

    def python(self, program: str, *arguments: str) -> str:
        return self.run(sys.executable, "-c", textwrap.dedent(program), *arguments)

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a Python program and wait for its first line."""
        command = ["ip", "netns", "exec", self.namespace, sys.executable, "-u", "-c"]
        started = subprocess.Popen(
            [*command, textwrap.dedent(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert started.stdout is not None
        started.stdout.readline()
        return started

    def reaches(self, address: str, *options: str) -> bool:
        command = ("ping", "-n", "-c", "1", "-W", "0.3", *options, address)
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command], capture_output=True, check=False
        )
        return done.returncode == 0


@dataclass
class Lab:
    """near (10.78.1.2, fd78:1::2) - router - far (10.78.2.2, fd78:2::2); near also is .3."""

    near: Host
    router: Host
    far: Host
    folder: Path
    enforcer: subprocess.Popen[bytes] | None = None
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    responders: list[RemoteResponder] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "enforcer.sock"

    def start(self, *interfaces: str, iptables: bool = False) -> RemoteResponder:
        """Start the enforcer in the router; return what asks it."""
        command = [sys.executable, "-m", "phage", "enforcer", "--user", str(os.geteuid())]
        command += ["--socket", str(self.socket), "--folder", str(self.folder / "own")]
        command += ["--state-dir", str(self.folder)]
        for each in interfaces:
            command += ["-i", each]
        if iptables:
            command.append("--iptables")
        self.enforcer = subprocess.Popen(
            ["ip", "netns", "exec", self.router.namespace, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        responder = RemoteResponder(self.socket)
        self.responders.append(responder)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                responder.trial_until()
            except EnforcerError:
                time.sleep(0.02)
            else:
                return responder
        pytest.fail("the enforcer does not start")

    def kill(self) -> None:
        assert self.enforcer is not None
        self.enforcer.kill()
        self.enforcer.wait(PATIENCE)
        self.enforcer = None


def ban(value: str, number: int = 0, seconds: float = 600, **other: object) -> Decision:
    """Return a decision that begins now."""
    kind = TargetKind.PREFIX if "/" in value else TargetKind.IP
    if value.count(":") == 5 and "::" not in value:
        kind = TargetKind.DEVICE if " " in value else TargetKind.MAC
    if " " in value:
        kind = TargetKind.DEVICE
    now = time.time_ns()
    until = now + int(seconds * SECOND) if seconds else 0
    action = other.pop("action", Action.BAN)
    identity = f"01K{number:023d}"
    return Decision(Target(kind, value), action, "", now, until, identity, **other)  # type: ignore[arg-type]


@pytest.fixture
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"lacks {', '.join(absent)}")
    prefix = f"kernel{os.getpid()}"
    near, router, far = (Host(f"{prefix}{name}") for name in ("n", "r", "f"))
    with tempfile.TemporaryDirectory(prefix="phage-ban-") as folder:
        made = Lab(near, router, far, Path(folder))
        try:
            build(made)
            yield made
        finally:
            if made.enforcer is not None:
                made.kill()
            for responder in made.responders:
                responder.close()
            for each in made.started:
                each.kill()
                each.communicate()
            for host in (near, router, far):
                run("ip", "netns", "del", host.namespace, check=False)


def build(lab: Lab) -> None:
    """Make namespaces, cables, addresses, routes."""
    for host in (lab.near, lab.router, lab.far):
        run("ip", "netns", "add", host.namespace)
        host.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0")
        host.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        run("ip", "-n", host.namespace, "link", "set", "lo", "up")
    lab.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    for number, (host, end) in enumerate(((lab.near, "near"), (lab.far, "far")), 1):
        run("ip", "link", "add", end, "netns", lab.router.namespace, "type", "veth",
            "peer", "name", "eth0", "netns", host.namespace)  # fmt: skip
        inside, router = host.namespace, lab.router.namespace
        run("ip", "-n", inside, "link", "set", "eth0", "address", f"02:78:00:00:00:0{number}")
        addresses = [f"10.78.{number}.2/24", f"10.78.{number}.3/24", f"fd78:{number}::2/64"]
        for address in addresses:
            run("ip", "-n", inside, "addr", "add", address, "dev", "eth0")
        run("ip", "-n", router, "addr", "add", f"10.78.{number}.1/24", "dev", end)
        run("ip", "-n", router, "addr", "add", f"fd78:{number}::1/64", "dev", end)
        run("ip", "-n", router, "link", "set", end, "up")
        run("ip", "-n", inside, "link", "set", "eth0", "up")
        run("ip", "-n", inside, "route", "add", "default", "via", f"10.78.{number}.1")
        run("ip", "-n", inside, "-6", "route", "add", "default", "via", f"fd78:{number}::1")
    until("the way through", lambda: lab.near.reaches("10.78.2.2"))
    until("the way through by IPv6", lambda: lab.near.reaches("fd78:2::2"))
