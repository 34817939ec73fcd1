"""A real server's log, written while it is guessed at from another host, becomes a finding."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.system.sshd import SSHD, guess, start_sshd

from phage.clock import SystemClock
from phage.collect.collectors.logfile import LogFileCollector
from phage.collect.logs.source import LogSource
from phage.config.settings import Settings
from phage.daemon.pipeline import Pipeline, make_detectors, make_knowledge
from phage.records import FindingState
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.system.conftest import Lab

    from phage.policy.desk import Outcome
    from phage.records import Finding, Window

pytestmark = pytest.mark.system

INNOCENT = "203.0.113.9"


class Kept:
    """A sink that keeps the last of each finding."""

    def __init__(self) -> None:
        self.findings: dict[str, Finding] = {}
        self.addresses: list[str] = []

    def window(self, window: Window) -> None:
        """Windows of events are shown to detectors only."""

    def decided(self, outcome: Outcome) -> None:
        """Nothing decides here."""

    def finding(self, finding: Finding) -> None:
        self.findings[finding.id] = finding

    def close(self) -> None:
        """Keep everything."""


class Watching:
    """A collector of one log and the detectors behind it."""

    def __init__(self, log: Path, saved_at: Path) -> None:
        self.kept = Kept()
        settings, clock = Settings(), SystemClock()
        self.collector = LogFileCollector([LogSource(str(log), "sshd")], clock, saved_at)
        self.collector.open()
        self.pipeline = Pipeline(
            make_detectors(settings, clock), make_knowledge(settings), [self.kept]
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for window in self.collector.windows():
            self.kept.addresses += [event.address for event in window.events]
            self.pipeline.take(window, self.collector)

    def stop(self) -> None:
        self.collector.stop()
        self._thread.join(60)
        self.collector.close()


@pytest.fixture
def watching(lab: Lab) -> Iterator[Watching]:
    log = lab.folder / "sshd.log"
    log.touch()
    watch = Watching(log, lab.folder / "logs.json")
    yield watch
    watch.stop()


@pytest.mark.parametrize("version", [4, 6])
def test_guessing_by_ssh_is_found_in_the_log(
    lab: Lab, needs: Callable[..., None], watching: Watching, version: int
) -> None:
    needs("ssh-keygen", "unshare", "nmap", SSHD)
    attacker, server = lab.add("bad", 66), lab.add("server", 10)
    start_sshd(lab, server)
    source, target = (
        (attacker.address, server.address) if version == 4 else (attacker.address6, server.address6)
    )
    guess(lab, attacker, target, "root", 16)
    until("a finding", lambda: watching.kept.findings)
    (finding,) = watching.kept.findings.values()
    assert (finding.detector, finding.subject.ip) == ("loginfail", source)
    assert finding.state is FindingState.OPEN
    assert finding.evidence["service"] == "sshd"
    assert finding.evidence["users"] == ["root"]
    assert not finding.spoofable


def test_a_name_brings_no_other_address_into_the_log_of_a_real_server(
    lab: Lab, needs: Callable[..., None], watching: Watching
) -> None:
    needs("ssh", "ssh-keygen", "unshare", SSHD)
    attacker, server = lab.add("bad", 66), lab.add("server", 10)
    start_sshd(lab, server)
    hostile = [
        f"x from {INNOCENT} port 22 ssh2",
        f"x from {INNOCENT} port 22",
        f"x {INNOCENT} port 22 [preauth]",
        f"from {INNOCENT}",
    ]
    for name in hostile:
        attacker.run(
            "ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=20",
            "-l", name, server.address, "true", check=False,
        )  # fmt: skip
    until("lines", lambda: len(watching.kept.addresses) >= len(hostile))
    assert set(watching.kept.addresses) == {attacker.address}
    assert INNOCENT in (lab.folder / "sshd.log").read_text("utf-8", "replace")


def test_phage_run_reads_the_logs_that_settings_name(lab: Lab) -> None:
    log = lab.folder / "auth.log"
    log.touch()
    log.chmod(0o644)
    phage = lab.phage(settings={"collect": {"logs": [{"path": str(log), "service": "sshd"}]}})
    stamp = time.strftime("%b %d %H:%M:%S")
    with log.open("a", encoding="ascii") as file:
        for port in range(40_000, 40_030):
            file.write(
                f"{stamp} host sshd[99]: Failed password for invalid user admin "
                f"from 203.0.113.77 port {port} ssh2\n"
            )
    phage.expect(r" loginfail .*203\.0\.113\.77")
