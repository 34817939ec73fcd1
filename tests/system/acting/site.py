"""A router that phage guards, between a stranger and a home: findings become blocks there."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.daemon.control import ask
from phage.daemon.requests import AddDecision, RevokeDecisions, Status
from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from phage.daemon.requests import Request

TOOLS = ("ip", "nft", "ping", "nmap")

STRANGER, ROUTER_OUT = "198.51.100.9", "198.51.100.1"
SERVER, ROUTER_IN = "192.168.77.9", "192.168.77.1"

RULES = """
rules:
  - name: Who scans is banned
    match: {finding: portscan, source: internet}
    mode: enforce
    action: ban
    for: {first: 20m, times: 4, longest: 1d}
  - name: Who guesses passwords is banned
    match: {finding: bruteforce, source: internet}
    mode: enforce
    action: ban
    for: 1h
"""


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Site:
    """Namespaces `-out` (a stranger), `-router` (phage), `-in` (a server)."""

    name: str
    folder: Path
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)
    respond: dict[str, object] = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)
    """More settings."""
    interface: str = "out"
    """What phage watches."""
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _reader: threading.Thread | None = None

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def rules(self) -> Path:
        return self.folder / "rules.yaml"

    def build(self) -> None:
        for side in ("out", "router", "in"):
            run("ip", "netns", "add", f"{self.name}-{side}")
            run("ip", "-n", f"{self.name}-{side}", "link", "set", "lo", "up")
        for side, host, router in (("out", STRANGER, ROUTER_OUT), ("in", SERVER, ROUTER_IN)):
            there = f"{self.name}-{side}"
            run("ip", "link", "add", side, "netns", f"{self.name}-router", "type", "veth",
                "peer", "name", "eth0", "netns", there)  # fmt: skip
            run("ip", "-n", there, "addr", "add", f"{host}/24", "dev", "eth0")
            run("ip", "-n", f"{self.name}-router", "addr", "add", f"{router}/24", "dev", side)
            run("ip", "-n", there, "link", "set", "eth0", "up")
            run("ip", "-n", f"{self.name}-router", "link", "set", side, "up")
            run("ip", "-n", there, "route", "add", "default", "via", router)
        self.inside("router", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.rules.write_text(RULES, encoding="utf-8")

    def inside(self, side: str, *command: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", f"{self.name}-{side}", *command, check=check)

    def start(self, side: str, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.name}-{side}", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.others.append(process)
        return process

    def reaches(self) -> bool:
        """Tell whether the stranger reaches the server."""
        done = subprocess.run(
            [
                "ip",
                "netns",
                "exec",
                f"{self.name}-out",
                "ping",
                "-n",
                "-c",
                "1",
                "-W",
                "0.5",
                SERVER,
            ],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def phage(self, **policy: object) -> None:
        """Start `phage run` on the router, and wait until it watches and everything is in force."""
        config = self.configure(**policy)
        self.lines = []
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.name}-router", sys.executable, "-m", "phage", "run",
             "--config", str(config), "--state-dir", str(self.state), "-i", self.interface],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(
            target=self._read, args=(self.process, self.lines), daemon=True
        )
        self._reader.start()
        until("phage to watch", self._watches)

    def configure(self, **policy: object) -> Path:
        """Write the configuration; return where."""
        config = self.folder / "phage.yaml"
        settings = {
            "policy": {"enforce": True, "rules": [str(self.rules)], **policy},
            "respond": self.respond,
            "api": {"enabled": False},
            **self.extra,
        }
        config.write_text(json.dumps(settings), encoding="utf-8")
        return config

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
        with contextlib.suppress(ValueError):
            assert process.stdout is not None
            lines.extend(iter(process.stdout.readline, ""))

    def _watches(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"phage ended with {self.process.returncode}:\n{''.join(self.lines)}")
        return any(line.startswith("watching ") for line in self.lines)

    def ask(self, request: Request) -> dict[str, Any]:
        return ask(self.state / "control.sock", request, PATIENCE)

    def add(self, target: str, seconds: float = 3600.0, **values: Any) -> str:
        """Ban by hand; return the decision's id."""
        answer = self.ask(AddDecision(target=target, seconds=seconds, **values))
        return str(answer["decision"]["id"])

    def revoke(self, *names: str) -> None:
        """Revoke decisions, as many at a time as one request may name."""
        for start in range(0, len(names), 1000):
            self.ask(RevokeDecisions(names=names[start : start + 1000]))

    def status(self) -> dict[str, Any]:
        return self.ask(Status())

    def decisions(self, *options: str) -> list[dict[str, Any]]:
        """Return what `phage decisions list` tells."""
        listed = run(
            sys.executable, "-m", "phage", "decisions", "list", "--state-dir", str(self.state),
            "--output", "json", *options,
        )  # fmt: skip
        found = json.loads(listed)
        assert isinstance(found, list)
        return found

    def banned(self) -> set[str]:
        """Return the addresses in the kernel's set."""
        text = self.inside("router", "nft", "-j", "list", "ruleset", check=False)
        found: set[str] = set()
        for item in json.loads(text or '{"nftables": []}')["nftables"]:
            each = item.get("set", {})
            if each.get("table") == "phage" and each.get("name") == "ban4":
                for element in each.get("elem", ()):
                    found.add(element["elem"]["val"] if isinstance(element, dict) else element)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End phage as a service manager does, or by another signal; return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for phage's end; return its exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        if self._reader is not None:
            self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def close(self) -> None:
        for process in self.others:
            process.kill()
            process.wait(PATIENCE)
        if self.process is not None:
            self.stop(signal.SIGKILL)
        until("the enforcer's end", lambda: not self.enforcers())
        for side in ("out", "router", "in"):
            subprocess.run(
                ["ip", "netns", "del", f"{self.name}-{side}"], capture_output=True, check=False
            )

    def serving(self) -> list[int]:
        """Return the enforcers that serve: the others keep them alive."""
        every = self.enforcers()
        return [each for each in every if parent(each) in every]

    def enforcers(self) -> list[int]:
        """Return the processes in the router's namespace that are enforcers, keepers included."""
        found = []
        pids = run("ip", "netns", "pids", f"{self.name}-router").split()
        for pid in map(int, pids):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"phage.enforcer.process" in command:
                    found.append(pid)
        return found


def parent(pid: int) -> int:
    """Return a process's parent; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
