"""Several interfaces and several threads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Lab

pytestmark = pytest.mark.system


def test_two_interfaces_are_watched_at_once(lab: Lab) -> None:
    left, right = (
        (lab.add("bad", 66), lab.add("victim", 10)),
        (lab.add("two", 67), lab.add("v2", 11)),
    )
    lab.set_link("add", "br1", "type", "bridge")
    lab.set_link("set", "br1", "up")
    for _, number in (("two", 67), ("v2", 11)):
        lab.set_link("set", f"p{number}", "master", "br1")
    phage = lab.phage(interfaces=("br0", "br1"))
    assert phage.says("^watching br0, br1;")
    scans = [
        attacker.start("nmap", "-n", "-sS", "-p", "1-60", victim.address)
        for attacker, victim in (left, right)
    ]
    for scan in scans:
        scan.expect("Nmap done")
    phage.await_quiet()
    assert phage.stop() == 0
    findings = phage.findings()
    assert {(each["detector"], each["subject"]["mac"]) for each in findings} == {
        ("portscan", attacker.mac) for attacker, _ in (left, right)
    }
    assert len(findings) == 2
    names = {path.name.partition(".")[0] for path in (phage.state / "models").iterdir()}
    assert names == {"baseline", "ensemble-br0-0", "ensemble-br1-1"}


def test_two_threads_share_an_interface_and_find_a_scan_once(lab: Lab) -> None:
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    phage = lab.phage(settings={"capture": {"threads": 2}})
    rings = Path(f"/proc/{phage.pid}/net/packet").read_text(encoding="ascii").splitlines()[1:]
    assert len(rings) == 2
    attacker.run("nmap", "-n", "-sS", "-p", "1-200", victim.address)
    phage.await_quiet()
    counters = phage.counters()
    assert phage.stop() == 0
    findings = phage.findings()
    assert [(each["detector"], each["subject"]["mac"]) for each in findings] == [
        ("portscan", attacker.mac)
    ]
    assert counters["flows.started"] >= 200
