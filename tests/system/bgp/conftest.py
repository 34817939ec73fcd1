"""A router and phage in network namespaces: BIRD or GoBGP at one end, ExaBGP at the other."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    Receipt,
    Target,
    TargetKind,
)
from phage.respond.responders.flowspec import Flowspec
from phage.respond.responders.rtbh import Rtbh
from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phage.respond.bgp.announcer import Announcer

TOOLS = ("ip", "bird", "gobgpd", "gobgp", "exabgp")
ROUTER4, ROUTER6 = "10.78.0.1", "fd78::1"
OURS4, OURS6 = "10.78.0.2", "fd78::2"
ROUTER_AS, OUR_AS = 65000, 65001
_CLONE_NEWNET = 0x4000_0000
A = TypeVar("A", bound="Announcer")

BIRD = """
router id 10.78.0.1;
log stderr all;
protocol device {{ }}
protocol kernel {{ ipv4 {{ export all; }}; }}
protocol kernel {{ ipv6 {{ export all; }}; }}
flow4 table f4;
flow6 table f6;
filter blackholes {{
  if (65535, 666) ~ bgp_community then {{ dest = RTD_BLACKHOLE; accept; }}
  reject;
}}
protocol bgp phage {{
  local {router} as 65000;
  neighbor {ours} as 65001;
  passive;
  {options}
  ipv4 {{ gateway recursive; import filter blackholes; export none; }};
  ipv6 {{ gateway recursive; import filter blackholes; export none; }};
  {flows}
}}
"""
BIRD_FLOWS = """
  flow4 { table f4; import all; export none; };
  flow6 { table f6; import all; export none; };
"""

GOBGP = """
[global.config]
  as = 65000
  router-id = "10.78.0.1"
  local-address-list = ["10.78.0.1"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.78.0.2"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
""" + "".join(
    f'  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "{name}"\n'
    for name in ("ipv4-unicast", "ipv6-unicast", "ipv4-flowspec", "ipv6-flowspec")
)


def ip(*arguments: str) -> str:
    """Run ip(8); return what it prints."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


def enter(namespace: str) -> None:
    """Move this thread, and what it starts, to a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", namespace).open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@dataclass
class Router:
    """A router's BGP daemon in its namespace."""

    namespace: str
    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        """Start the daemon, with its log in the folder."""
        with (self.folder / "router.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *command], stdout=log, stderr=log
            )

    def stop(self) -> None:
        """End the daemon at once, without a good-bye to its neighbours."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def in_kernel(self, *arguments: str) -> list[dict[str, Any]]:
        """Return routes in the router's kernel."""
        routes = json.loads(ip("-n", self.namespace, "-j", *arguments) or "[]")
        assert isinstance(routes, list)
        return routes


@dataclass
class Bird(Router):
    """BIRD 2, asked over its control socket."""

    def begin(
        self,
        *,
        ours: str = OURS4,
        router: str = ROUTER4,
        options: str = "",
        flows: str = BIRD_FLOWS,
    ) -> None:
        """Write a configuration and start on it."""
        text = BIRD.format(ours=ours, router=router, options=options, flows=flows)
        (self.folder / "bird.conf").write_text(text, encoding="ascii")
        self.restart()

    def restart(self) -> None:
        """Start on the configuration that is there."""
        control = self.folder / "bird.ctl"
        self.start("bird", "-f", "-c", str(self.folder / "bird.conf"), "-s", str(control),
                   "-P", str(self.folder / "bird.pid"))  # fmt: skip
        until("answer of BIRD", lambda: "ready" in self.ask("show status", patient=False))

    def ask(self, command: str, *, patient: bool = True) -> str:
        """Return what BIRD answers to a command."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(60)
            try:
                control.connect(str(self.folder / "bird.ctl"))
            except OSError:
                if patient:
                    raise
                return ""
            control.sendall(f"{command}\n".encode())
            answer = b""
            while not _is_complete(answer):
                octets = control.recv(65_536)
                if not octets:
                    break
                answer += octets
        return answer.decode()

    def table(self, name: str) -> set[str]:
        """Return the destinations in a table: prefixes, or the text of filters."""
        found = set()
        for line in self.ask(f"show route table {name}").splitlines():
            text = line[5:] if line[:1].isdigit() else line[1:]
            if "[phage" in text:
                found.add(text.partition("[phage")[0].strip())
        return found

    def detail(self, name: str) -> str:
        """Return a table with all attributes."""
        return self.ask(f"show route table {name} all")

    @property
    def is_up(self) -> bool:
        """Tell whether the session with phage is established."""
        return "Established" in self.ask("show protocols phage", patient=False)


def _is_complete(answer: bytes) -> bool:
    """Tell whether an answer of BIRD has ended: a line whose code begins with 0, 8 or 9."""
    lines = answer.split(b"\n")[1:-1]  # The first is the greeting.
    return any(line[:1] in b"089" and line[4:5] == b" " for line in lines if line)


@dataclass
class GoBgp(Router):
    """GoBGP, asked with its own command."""

    def begin(self) -> None:
        """Start on the one configuration."""
        (self.folder / "gobgp.toml").write_text(GOBGP, encoding="ascii")
        self.start(
            "gobgpd", "-f", str(self.folder / "gobgp.toml"), "--api-hosts", "127.0.0.1:50051"
        )
        until("answer of GoBGP", lambda: self.ask("neighbor") is not None)

    def ask(self, *command: str) -> Any:
        """Return what GoBGP answers, from its JSON; None when it does not."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, "gobgp", "-j", *command],
            capture_output=True,
            text=True,
            check=False,
        )
        return json.loads(done.stdout or "null") if done.returncode == 0 else None

    def rib(self, family: str) -> dict[str, Any]:
        """Return the routes of a family by their text."""
        answer = self.ask("global", "rib", "-a", family)
        return answer if isinstance(answer, dict) else {}


@dataclass
class Network:
    """The two namespaces, a link between them, and what runs there."""

    name: str
    folder: Path
    bird: Bird
    gobgp: GoBgp
    _responders: list[Announcer] = field(default_factory=list)
    _thread: concurrent.futures.ThreadPoolExecutor | None = None
    _numbers: int = 0

    @property
    def ours(self) -> str:
        """Return the namespace where phage is."""
        return f"{self.name}-ph"

    def build(self) -> None:
        """Make namespaces and link."""
        router = self.bird.namespace
        for namespace in (router, self.ours):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("link", "add", "eth0", "netns", router, "type", "veth",
           "peer", "name", "eth0", "netns", self.ours)  # fmt: skip
        for namespace, addresses in ((router, (ROUTER4, ROUTER6)), (self.ours, (OURS4, OURS6))):
            ip("-n", namespace, "addr", "add", f"{addresses[0]}/24", "dev", "eth0")
            ip("-n", namespace, "addr", "add", f"{addresses[1]}/64", "dev", "eth0", "nodad")
            ip("-n", namespace, "link", "set", "eth0", "up")
        self._thread = concurrent.futures.ThreadPoolExecutor(
            1, initializer=enter, initargs=(self.ours,)
        )

    def rtbh(self, **settings: Any) -> Rtbh:
        """Make the responder, with the session's settings."""
        return self._made(Rtbh(**self._settings(settings)))

    def flowspec(self, **settings: Any) -> Flowspec:
        """Make the responder, with the session's settings."""
        return self._made(Flowspec(**self._settings(settings)))

    @staticmethod
    def _settings(own: dict[str, Any]) -> dict[str, Any]:
        session = {
            "neighbours": (ROUTER4,),
            "local_as": OUR_AS,
            "peer_as": ROUTER_AS,
            "hold_s": 9,
        }
        return {**session, **own}

    def _made(self, responder: A) -> A:
        self._responders.append(responder)
        return responder

    def do(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method where phage is."""
        assert self._thread is not None
        return self._thread.submit(method, *arguments).result(PATIENCE)

    def reconcile(self, responder: Announcer, decisions: Sequence[Decision]) -> list[Receipt]:
        """Bring decisions into force, again and again as the daemon would, until all are."""
        receipts: list[Receipt] = self.do(responder.replace, decisions, time.time_ns())

        def done() -> bool:
            nonlocal receipts
            if self.do(responder.is_disturbed):
                receipts = self.do(responder.replace, decisions, time.time_ns())
            up = self.do(
                lambda: bool(responder._speaker and responder._speaker.reached("ipv4 unicast"))
            )
            return bool(up) and all(each.state == "applied" for each in receipts)

        until("agreement", done)
        return receipts

    def apply(self, responder: Announcer, *decisions: Decision) -> list[Receipt]:
        """Apply decisions now."""
        receipts: list[Receipt] = self.do(responder.apply, decisions, time.time_ns())
        return receipts

    def revoke(self, responder: Announcer, *decisions: Decision) -> list[Receipt]:
        """Revoke decisions now."""
        receipts: list[Receipt] = self.do(responder.revoke, decisions, time.time_ns())
        return receipts

    def start(self, program: str) -> subprocess.Popen[str]:
        """Start a Python program where phage is; it reads and writes lines."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.ours, sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ban(self, value: str, direction: Direction = Direction.TO, **more: Any) -> Decision:
        """Return a decision about an address or a prefix."""
        self._numbers += 1
        kind = TargetKind.PREFIX if "/" in value else TargetKind.IP
        defaults = {"action": Action.BAN, "reason": "a flood", "start": 1}
        return Decision(
            Target(kind, value), id=f"D{self._numbers}", direction=direction, **{**defaults, **more}
        )

    def limit(self, value: str, rate: Rate, pattern: Pattern, direction: Direction) -> Decision:
        """Return a decision that limits a pattern."""
        return self.ban(value, direction, action=Action.LIMIT, rate=rate, pattern=pattern)

    def close(self) -> None:
        """End all, and remove the namespaces."""
        for responder in self._responders:
            with contextlib.suppress(Exception):
                self.do(responder.close)
        if self._thread is not None:
            self._thread.shutdown()
        self.bird.stop()
        self.gobgp.stop()
        for namespace in (self.bird.namespace, self.ours):
            for process in _processes(namespace):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", namespace)


def _processes(namespace: str) -> list[int]:
    done = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    return [int(each) for each in done.stdout.split() if int(each) != os.getpid()]


@pytest.fixture
def network() -> Iterator[Network]:
    """Build the network; the test starts a router and responders in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"lacks {', '.join(absent)}")
    name = f"bgp{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="phage-lab-") as folder:
        place = Path(folder)
        built = Network(name, place, Bird(f"{name}-rt", place), GoBgp(f"{name}-rt", place))
        try:
            built.build()
            yield built
        finally:
            built.close()
