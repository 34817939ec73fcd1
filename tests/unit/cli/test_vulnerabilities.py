"""`phage import cve`, `phage devices vulnerabilities`, `scans`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from phage.clock import SystemClock
from phage.records.device import Attribute, Device, Trait
from phage.records.scan import Scan, ScanHost, Service
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Phage


def record(number: int) -> dict[str, Any]:
    match = {"criteria": "cpe:2.3:a:openbsd:openssh:*:*:*:*:*:*:*:*", "versionEndExcluding": "7.0"}
    nodes = [{"operator": "OR", "cpeMatch": [match]}]
    return {"cve": {"id": f"CVE-2016-{number}", "configurations": [{"nodes": nodes}]}}


def location(tmp_path: Path) -> StoreLocation:
    return StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")


def test_imported_and_shown(phage: Phage, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps({"vulnerabilities": [record(1000), record(1001)]}))
    bad.write_text(good.read_text()[:-30])
    answer = phage("import", "cve", str(good), str(bad), "--output", "json")
    assert answer.code == 1
    assert json.loads(answer.out)["new"] == 2
    assert f"{bad}: record 2: " in answer.err
    assert "1 of 2 sources were not imported" in answer.err

    cpe = "cpe:2.3:a:openbsd:openssh:6.7p1:*:*:*:*:*:*:*"
    trait = Trait(Attribute.SOFTWARE, cpe, 0.9, "banner", "SSH-2.0-OpenSSH_6.7p1 Debian-5")
    hosts = (ScanHost("10.0.0.1", services=(Service("tcp", 22, "ssh"),)),)
    with open_store(location(tmp_path), SystemClock()) as store:
        store.devices.save([Device("02:00:00:00:00:01", name="nas", traits=(trait,))])
        store.scans.save(Scan("001a1fcf53d7a", started=1, ended=2, hosts=hosts))
    found = json.loads(phage("devices", "vulnerabilities", "--output", "json").out)
    assert [(each["device"], each["cve"]) for each in found] == [
        ("nas", "CVE-2016-1001"), ("nas", "CVE-2016-1000"),
    ]  # fmt: skip
    assert phage("devices", "vulnerabilities", "--product", "openssh > 7").out == ""
    shown = phage("devices", "show", "nas").out
    assert "vulnerabilities (2)" in shown
    assert "Debian mends" in shown
    assert "tcp/22 ssh" in phage("devices", "scans", "last").out
    assert "10.0.0.1" not in phage("devices", "scans").out
    assert phage("devices", "scan", "8.8.8.8").code == 1


def test_an_import_that_is_killed_loses_and_doubles_nothing(phage: Phage, tmp_path: Path) -> None:
    total = 12_000
    feed = tmp_path / "feed.json"
    feed.write_text(json.dumps({"vulnerabilities": [record(n) for n in range(10_000, 22_000)]}))
    place = tmp_path / "state"
    command = [sys.executable, "-m", "phage", "import", "cve", str(feed), "--state-dir", str(place)]
    killed = 0
    for _ in range(2):
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        late = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < late:
            if stored(tmp_path) > killed:
                os.kill(running.pid, signal.SIGKILL)
            time.sleep(0.01)
        running.wait(60)
        killed = stored(tmp_path)
    answer = phage("import", "cve", str(feed), "--output", "json")
    assert answer.code == 0
    assert stored(tmp_path) == total
    counts = json.loads(answer.out)
    assert counts["new"] + counts["changed"] + killed == total or counts["unchanged"] == total


def stored(tmp_path: Path) -> int:
    from phage.errors import StoreError
    from phage.store.store import open_reader

    try:
        with open_reader(location(tmp_path)) as store:
            return store.vulnerabilities.counts()["records"]
    except StoreError:
        return 0
