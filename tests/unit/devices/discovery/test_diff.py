from __future__ import annotations

import json
import random
import tarfile
from typing import TYPE_CHECKING

import pytest
from defusedxml.ElementTree import fromstring

from phage.devices.discovery.diff import DiffTracker
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from xml.etree.ElementTree import Element

STEP = 900 * 10**9


def scan(number: int, hosts: Mapping[str, Iterable[str]]) -> Scan:
    return Scan(
        f"{number:06}",
        started=10**18 + number * STEP,
        hosts=tuple(
            ScanHost(
                address,
                services=tuple(
                    Service("tcp", int(each.partition(" ")[0]), software=each.partition(" ")[2])
                    for each in services
                ),
            )
            for address, services in hosts.items()
        ),
    )


def run(scans: Iterable[Mapping[str, Iterable[str]]]) -> list[ScanDiff]:
    tracker, found = DiffTracker(), []
    for number, hosts in enumerate(scans):
        found += tracker.take(scan(number, hosts))
        tracker = DiffTracker.load(json.loads(json.dumps(tracker.save())))  # As between scans.
    return found


LAN = {f"10.0.0.{n}": ["22", "80"] for n in range(1, 21)}


def test_a_quiet_network_is_quiet() -> None:
    assert run([LAN] * 200) == []


def test_a_new_port_is_told_at_once() -> None:
    (found,) = run([LAN] * 30 + [LAN | {"10.0.0.7": ["22", "80", "4444"]}] * 10)
    assert (found.status, found.service, found.scan) == (Change.ADD, "tcp/4444", "000030")


def test_a_port_that_comes_and_goes_is_told_once() -> None:
    odd = LAN | {"10.0.0.7": ["22", "80", "4444"]}
    assert len(run([LAN] * 30 + [odd, LAN, LAN, odd] * 10)) == 1


def test_a_new_host_is_told_when_it_is_seen_twice() -> None:
    more = LAN | {"10.0.0.99": ["22"]}
    assert run([LAN] * 120 + [more] + [LAN] * 10) == []
    (found,) = run([LAN] * 120 + [more] * 3)
    assert (found.status, found.host, found.service) == (Change.ADD, "10.0.0.99", "")


def test_one_missed_scan_is_nothing_and_a_long_absence_is() -> None:
    away = {address: ports for address, ports in LAN.items() if address != "10.0.0.7"}
    assert run([LAN] * 50 + [away] + [LAN] * 50 + [away, away] + [LAN] * 20) == []
    found = run([LAN] * 50 + [away] * 20 + [LAN] * 3)
    assert [each.status for each in found] == [Change.DOWN, Change.UP]


def test_who_is_often_away_is_not_told() -> None:
    away = {address: ports for address, ports in LAN.items() if address != "10.0.0.7"}
    rare = random.Random(1)
    assert run(LAN if rare.random() < 0.7 else away for _ in range(300)) == []


def test_a_scan_that_failed_says_nothing() -> None:
    half = {address: LAN[address] for address in list(LAN)[:10]}
    assert run(([LAN] * 40 + [half] * 8) * 3 + [{}] * 20) == []


def test_another_program_is_told_when_it_stays() -> None:
    def lan(version: str) -> dict[str, list[str]]:
        return LAN | {"10.0.0.7": [f"22 OpenSSH {version}"]}

    assert run([lan("6.6")] * 30 + [lan("6.7")] + [lan("6.6")] * 10) == []
    (found,) = run([lan("6.6")] * 30 + [lan("6.7")] * 10)
    assert (found.status, found.before, found.after) == (
        Change.CHANGE, "OpenSSH 6.6", "OpenSSH 6.7",
    )  # fmt: skip


def test_a_closed_port_is_recorded_and_no_notice() -> None:
    closed = LAN | {"10.0.0.7": ["22"]}
    (found,) = run([LAN] * 50 + [closed] * 30)
    assert (found.status, found.service, found.notice) == (Change.REMOVE, "tcp/80", False)


def test_what_was_not_asked_is_not_missing() -> None:
    tracker = DiffTracker()
    for number in range(40):
        tracker.take(scan(number, LAN))
    for number in range(40, 80):
        assert tracker.take(scan(number, {"10.0.0.1": ["22", "80"]}), "10.0.0.1".__eq__) == []


# --- The series of a real network -----------------------------------------------------------------


def attribute(parent: Element, tag: str, name: str) -> str:
    found = parent.find(tag)
    return "" if found is None else found.get(name, "")


def series(peer_data: Path) -> list[tuple[int, dict[str, dict[str, str]]]]:
    """Return start and open ports with products by host, of scans in order."""
    found = []
    with tarfile.open(peer_data / "devices" / "scans" / "phage_nmap_dev.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".xml") else None
            if file is None:
                continue
            root = fromstring(file.read(), forbid_dtd=False)
            hosts: dict[str, dict[str, str]] = {}
            for host in root.iter("host"):
                if attribute(host, "status", "state") != "up":
                    continue
                ports = {}
                for port in host.iter("port"):
                    if attribute(port, "state", "state") == "open":
                        seen = port.find("service")
                        named = {} if seen is None else seen.attrib
                        label = f"{named.get('product', '')} {named.get('version', '')}".strip()
                        ports[f"{port.get('portid')} {label or named.get('name', '')}"] = ""
                hosts[attribute(host, "address", "addr")] = ports
            found.append((int(root.get("start", "0")), hosts))
    return sorted(found, key=lambda each: each[0])


def notices(scans: Iterable[tuple[int, Mapping[str, Iterable[str]]]]) -> list[ScanDiff]:
    tracker, found = DiffTracker(), []
    for number, (start, hosts) in enumerate(scans):
        made = scan(number, hosts)
        timed = Scan(made.id, started=start * 10**9, hosts=made.hosts)
        found += [each for each in tracker.take(timed) if each.notice]
    return found


@pytest.mark.peer
def test_a_real_network(peer_data: Path) -> None:
    scans = series(peer_data)
    days = (scans[-1][0] - scans[0][0]) / 86_400
    assert len(scans) > 200
    assert len(notices(scans)) / days < 1

    random_ = random.Random(7)
    steady = [a for a in scans[0][1] if all(a in hosts for _, hosts in scans[20:30])]
    for _ in range(12):
        host, begin = random_.choice(steady), random_.randrange(20, len(scans) - 20)
        port = str(random_.choice([23, 4444, 31337, 50123]))
        changed = [
            (start, {a: [*p, port] if a == host and n >= begin else p for a, p in hosts.items()})
            for n, (start, hosts) in enumerate(scans)
        ]
        assert f"tcp/{port}" in {e.service for e in notices(changed) if e.host == host}
