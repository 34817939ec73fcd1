"""The same packets, live and from a file, tell the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Lab

pytestmark = pytest.mark.system


def essence(findings: list[dict[str, Any]]) -> set[tuple[str, str, str, frozenset[str], int]]:
    """Return what was found, about whom, with whom; not the times at which it was told."""
    return {
        (
            each["detector"],
            each["subject"]["mac"],
            each["subject"]["ip"],
            frozenset(peer["ip"] for peer in each["peers"]),
            each["peers_total"],
        )
        for each in findings
    }


def test_a_recording_of_what_phage_watched_gives_the_same_findings(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("tcpdump", "hping3")
    scanner, sweeper, flooder = lab.add("scan", 66), lab.add("sweep", 67), lab.add("flood", 68)
    victim, server = lab.add("victim", 10), lab.add("server", 20)
    recording = lab.folder / "recording.pcap"
    phage = lab.phage()
    tcpdump = lab.on_switch(
        "tcpdump", "-i", "br0", "-s", "0", "-U", "--immediate-mode", "-B", "32768", "-Z", "root",
        "-w", str(recording),
    )  # fmt: skip
    tcpdump.expect("listening on")
    scanner.run("nmap", "-n", "-sS", "-p", "1-100", victim.address)
    sweeper.run("nmap", "-n", "-T4", "-sn", "10.77.0.0/25")
    flooder.run("hping3", "-q", "-S", "-p", "443", "-i", "u1000", "-c", "2000", "--spoof",
                "10.77.0.99", server.address, check=False)  # fmt: skip
    phage.await_quiet()
    assert phage.stop() == 0
    assert tcpdump.stop() == 0
    assert tcpdump.says("^0 packets dropped by kernel"), tcpdump.transcript()
    live = phage.findings()
    report = lab.replay(recording)
    assert report["source"]["dropped"] == 0
    assert {each["detector"] for each in live} == {"portscan", "synflood"}
    assert essence(report["findings"]) == essence(live)
