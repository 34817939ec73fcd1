"""A laboratory: hosts in network namespaces of our own on one switch, and phage watching it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.testing.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TOOLS = ("ip", "curl", "nmap")
QUIET = 2.5
"""Seconds without a packet after which all is judged: a probe has a second to be answered."""


class Program:
    """A program that runs in a namespace; its lines can be awaited."""

    def __init__(self, namespace: str, *command: str) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in (
                (self.process.stdout, self.lines),
                (self.process.stderr, self.errors),
            )
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        with contextlib.suppress(ValueError):
            lines.extend(iter(stream.readline, ""))

    @property
    def pid(self) -> int:
        """The process; `ip netns exec` becomes the command."""
        return self.process.pid

    def says(self, pattern: str) -> list[str]:
        """Return the lines so far that match."""
        return [line for line in (*self.lines, *self.errors) if re.search(pattern, line)]

    def expect(self, pattern: str, patience: float = PATIENCE) -> str:
        """Wait for a line; fail when the program ends without it."""

        def ready() -> bool:
            if not self.says(pattern) and self.process.poll() is not None:
                self._join()
                if not self.says(pattern):
                    pytest.fail(f"ended without saying {pattern!r}:\n{self.transcript()}")
            return bool(self.says(pattern))

        try:
            until(f"a line like {pattern!r}", ready, patience)
        except AssertionError as error:
            pytest.fail(f"{error}; it said:\n{self.transcript()}")
        return self.says(pattern)[0]

    def transcript(self) -> str:
        """Return all that was said."""
        return "".join((*self.lines, *self.errors))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the program and wait for its end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(PATIENCE)
        self._join()
        return code

    def kill(self) -> None:
        """End the program and all that it started, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self._join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join(60)


@dataclass
class Host:
    """One network namespace with an interface `eth0`."""

    namespace: str
    address: str
    address6: str
    mac: str
    started: list[Program]

    def run(
        self, *command: str, timeout: float = 3 * PATIENCE, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host and wait for it."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command: str) -> Program:
        """Start a command in the host; it is ended with the laboratory."""
        program = Program(self.namespace, *command)
        self.started.append(program)
        return program


class Phage(Program):
    """`phage run` in a namespace."""

    def __init__(self, namespace: str, state: Path, command: tuple[str, ...]) -> None:
        super().__init__(namespace, *command)
        self.namespace = namespace
        self.state = state

    def get(self, path: str) -> tuple[int, str]:
        """Ask its server for a path; return status and body."""
        asked = subprocess.run(
            ["ip", "netns", "exec", self.namespace, "curl", "-s", "-m", "20",
             "-w", "\n%{http_code}", f"http://127.0.0.1:8080{path}"],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        body, _, status = asked.stdout.rpartition("\n")
        return int(status or 0), body

    def health(self) -> dict[str, Any]:
        """Return what /healthz answers."""
        answer = json.loads(self.get("/healthz")[1])
        assert isinstance(answer, dict)
        return answer

    def counters(self) -> dict[str, int]:
        """Return the counters of the core from /metrics."""
        text = self.get("/metrics")[1]
        found = re.findall(r'^phage_core_total\{counter="([^"]+)"\} (\S+)$', text, re.MULTILINE)
        return {name: int(float(value)) for name, value in found}

    def await_quiet(self) -> None:
        """Wait until no packet has come for so long that all that came has been judged."""
        seen, since = -1, time.monotonic()

        def quiet() -> bool:
            nonlocal seen, since
            packets = self.counters().get("packets", 0)
            if packets != seen:
                seen, since = packets, time.monotonic()
            return time.monotonic() - since >= QUIET

        until("no more packets", quiet)

    def until_devices(self, least: int) -> None:
        """Wait until so many devices are in the store."""
        until(f"{least} devices", lambda: len(self._stored("devices")) >= least, 2 * PATIENCE)

    def until_counted(self, name: str, least: int) -> None:
        """Wait until a counter of the core is at least so high."""
        until(f"{name} of {least}", lambda: self.counters().get(name, 0) >= least)

    def findings(self) -> list[dict[str, Any]]:
        """Return the findings in its store."""
        return self._stored("findings")

    def flows(self) -> list[dict[str, Any]]:
        """Return the flows in its store."""
        return self._stored("flows")

    def _stored(self, kind: str) -> list[dict[str, Any]]:
        stored = phage_json(kind, "list", "--state-dir", str(self.state))
        assert isinstance(stored, list)
        return stored

    def until_stored(self, wanted: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the findings in the store are as wanted."""
        until("findings in the store", lambda: wanted(self.findings()))


def phage_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of phage."""
    return (sys.executable, "-m", "phage", *arguments)


def phage_json(*arguments: str, before: tuple[str, ...] = ()) -> Any:
    """Run phage, after the words of another command, and return what it prints as JSON."""
    done = subprocess.run(
        (*before, *phage_command(*arguments, "--output", "json")),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    if done.returncode not in (0, 3):
        pytest.fail(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


@dataclass
class Lab:
    """Hosts on one switch, and an interface on which a copy of everything is seen."""

    name: str
    folder: Path
    hosts: dict[str, Host] = field(default_factory=dict)
    started: list[Program] = field(default_factory=list)

    @property
    def switch(self) -> str:
        """Return the namespace of the switch; phage watches `br0` there."""
        return f"{self.name}-sw"

    def build(self) -> None:
        """Make the switch."""
        ip("netns", "add", self.switch)
        # A switch says nothing by itself.
        sysctl(self.switch, "net.ipv6.conf.default.disable_ipv6=1")
        ip("-n", self.switch, "link", "set", "lo", "up")
        self.make_bridge()

    def make_bridge(self) -> None:
        """Make `br0` and plug every host in."""
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        for host in self.hosts.values():
            port = f"p{host.address.rpartition('.')[2]}"
            ip("-n", self.switch, "link", "set", port, "master", "br0", "up")

    def add(self, name: str, number: int) -> Host:
        """Add a host with the addresses 10.77.0.`number` and fd77::`number`."""
        namespace = f"{self.name}-{name}"
        host = Host(
            namespace,
            f"10.77.0.{number}",
            f"fd77::{number}",
            f"02:77:00:00:00:{number:02x}",
            self.started,
        )
        ip("netns", "add", namespace)
        self.hosts[name] = host
        # There is no router; asking for one goes on for a quarter of a minute.
        sysctl(namespace, "net.ipv6.conf.default.router_solicitations=0")
        ip("link", "add", f"p{number}", "netns", self.switch, "type", "veth",
           "peer", "name", "eth0", "netns", namespace)  # fmt: skip
        ip("-n", namespace, "link", "set", "eth0", "address", host.mac)
        ip("-n", namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
        ip("-n", namespace, "addr", "add", f"{host.address6}/64", "dev", "eth0", "nodad")
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "link", "set", "eth0", "up")
        ip("-n", self.switch, "link", "set", f"p{number}", "master", "br0", "up")
        return host

    def phage(
        self,
        *options: str,
        settings: Mapping[str, object] | None = None,
        state: Path | None = None,
        before: str = "",
        interfaces: tuple[str, ...] = ("br0",),
    ) -> Phage:
        """Start `phage run` at the switch and wait until it watches.

        `before` is a command of the shell that runs first in the same mount namespace, which is
        private.
        """
        place = state or self.folder / "state"
        config = self.folder / f"phage{len(self.started)}.yaml"
        config.write_text(json.dumps(dict(settings or {})), encoding="utf-8")
        command = phage_command("run", "--config", str(config), "--state-dir", str(place), *options)
        for interface in interfaces:
            command += ("-i", interface)
        if before:
            command = ("sh", "-c", f'{before} && exec "$@"', "sh", *command)
        phage = Phage(self.switch, place, command)
        self.started.append(phage)
        phage.expect(r"^watching ")
        return phage

    def on_switch(self, *command: str) -> Program:
        """Start a command at the switch; it is ended with the laboratory."""
        program = Program(self.switch, *command)
        self.started.append(program)
        return program

    def set_link(self, *arguments: str) -> None:
        """Run `ip link` at the switch."""
        ip("-n", self.switch, "link", *arguments)

    def replay(self, recording: Path) -> dict[str, Any]:
        """Replay a recording in a folder of state of its own; return the report."""
        state = self.folder / f"{recording.stem}-state"
        report = phage_json("replay", str(recording), "--state-dir", str(state))
        assert isinstance(report, dict)
        return report

    @staticmethod
    def in_mounts_of(phage: Phage, *arguments: str) -> Any:
        """Run a phage command where the mounts of a running phage are seen; return its JSON."""
        before = ("nsenter", f"--mount=/proc/{phage.pid}/ns/mnt")
        return phage_json(*arguments, "--state-dir", str(phage.state), before=before)

    @staticmethod
    def command(*arguments: str) -> tuple[str, ...]:
        """Return the command line of phage."""
        return phage_command(*arguments)

    def close(self) -> None:
        """End every program and remove every namespace of the laboratory."""
        for program in reversed(self.started):
            program.kill()
        for namespace in (*(host.namespace for host in self.hosts.values()), self.switch):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", namespace)


def ip(*arguments: str) -> None:
    """Run ip(8)."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, ["ip", *arguments], done.stderr)


def sysctl(namespace: str, setting: str) -> None:
    """Set a kernel parameter in a namespace."""
    ip("netns", "exec", namespace, "sysctl", "-qw", setting)


def missing(tools: tuple[str, ...]) -> str:
    """Return why no laboratory can be built here, or ''."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"lacks {', '.join(absent)}" if absent else ""


@pytest.fixture
def needs() -> Callable[..., None]:
    """Skip the test where a tool is missing."""

    def check(*tools: str) -> None:
        if reason := missing(tools):
            pytest.skip(reason)

    return check


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Build a laboratory with a switch; its hosts are added by the test."""
    if reason := missing(TOOLS):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="phage-lab-") as folder:
        # Others may pass: phage gives up root where the account can reach its state.
        Path(folder).chmod(0o711)
        laboratory = Lab(f"ph{os.getpid()}", Path(folder))
        try:
            laboratory.build()
            yield laboratory
        finally:
            laboratory.close()
