"""What goes wrong around phage: interfaces that go, full disks, kills, more than it can take."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Host, Lab

pytestmark = pytest.mark.system

SEND = """
import sys
from phage.native import Transmitter
frames = []
for number in range(500):
    source, target = (0x0A4D0100 + number).to_bytes(4, "big"), (0x0A4D0200).to_bytes(4, "big")
    ip = bytes.fromhex("45000032000000004011 0000") + source + target
    udp = (1024 + number).to_bytes(2, "big") + bytes.fromhex("0035001e0000")
    frames.append(bytes.fromhex("020000000002 020000000001 0800") + ip + udp + bytes(22))
print(Transmitter(sys.argv[1]).send(frames, count=int(sys.argv[2]), seconds=60.0))
"""


def scan(attacker: Host, victim: Host) -> None:
    attacker.run("nmap", "-n", "-sS", "-p", "1-100", victim.address)


def fill(path: Path) -> None:
    """Write until there is no space left."""

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    with pytest.raises(OSError, match="No space left"):
        write()


def detectors_of(findings: list[dict[str, Any]]) -> list[str]:
    return [each["detector"] for each in findings]


@pytest.mark.parametrize("gone", [False, True], ids=["down", "deleted"])
def test_an_interface_that_goes_and_comes_back_is_watched_again(lab: Lab, *, gone: bool) -> None:
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    phage = lab.phage()
    if gone:
        lab.set_link("del", "br0")
    else:
        lab.set_link("set", "br0", "down")
    phage.expect("br0 is down or gone")
    assert phage.get("/healthz")[0] == 503
    assert phage.health()["down"] == ["br0"]
    if gone:
        lab.make_bridge()
    else:
        lab.set_link("set", "br0", "up")
    phage.expect("br0 is back")
    assert phage.health()["status"] == "ok"
    assert phage.counters()["source.link_losses"] == 1
    scan(attacker, victim)
    phage.expect(" portscan ")
    phage.await_quiet()
    assert phage.stop() == 0
    assert detectors_of(phage.findings()) == ["portscan"]


def test_a_full_disk_stops_the_store_and_not_the_detection(lab: Lab) -> None:
    attackers = [lab.add(f"bad{number}", 60 + number) for number in range(3)]
    victim = lab.add("victim", 10)
    state = lab.folder / "state"
    state.mkdir()
    phage = lab.phage(
        state=state,
        before=f"mount -t tmpfs -o size=2m,mode=755 tmpfs {state}",
        settings={"outputs": {"eve": {"enabled": True}}},
    )
    # The mount is in a namespace of phage's own.
    filler = Path(f"/proc/{phage.pid}/root{state}/filler")
    fill(filler)
    for attacker in attackers:
        scan(attacker, victim)
        phage.expect(f" portscan .*{attacker.address}")
    phage.expect("storing stops, detection goes on")
    assert phage.get("/healthz")[0] == 503
    assert "disk" in phage.health()["store"]
    filler.unlink()
    phage.expect("storing goes on")
    phage.await_quiet()
    stored = lab.in_mounts_of(phage, "findings", "list")
    assert {each["subject"]["mac"] for each in stored} == {host.mac for host in attackers}
    assert len(phage.says("storing stops")) == 1
    assert phage.stop() == 0
    assert "Traceback" not in phage.transcript()


def test_what_overflows_the_ring_is_counted_to_the_packet(lab: Lab) -> None:
    for command in (
        ("link", "add", "left", "type", "veth", "peer", "name", "right"),
        ("link", "set", "left", "up"),
        ("link", "set", "right", "up"),
    ):
        subprocess.run(["ip", "-n", lab.switch, *command], check=True)
    phage = lab.phage(
        settings={"capture": {"ring_size": "1 MiB", "filter": "udp port 53"}}, interfaces=("right",)
    )
    os.kill(phage.pid, signal.SIGSTOP)
    sender = lab.on_switch(sys.executable, "-c", SEND, "left", "200000")
    sender.wait()
    os.kill(phage.pid, signal.SIGCONT)
    sent = int(sender.lines[0])
    assert sent == 200_000
    phage.await_quiet()
    counters = phage.counters()
    assert counters["source.packets"] > 0
    assert counters["source.dropped"] > 0
    assert counters["source.packets"] + counters["source.dropped"] == sent
    assert counters["packets"] == counters["source.packets"]
    assert phage.stop() == 0


def test_a_killed_run_leaves_a_store_and_a_model_that_work(lab: Lab) -> None:
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    first = lab.phage()
    assert first.stop() == 0
    phage = lab.phage()
    phage.expect("model restored")
    scan(attacker, victim)
    phage.expect(" portscan ")
    phage.until_stored(lambda found: detectors_of(found) == ["portscan"])
    # Killed in the middle of writing: flows go on ending, and are stored.
    noise = threading.Thread(target=scan, args=(attacker, victim))
    noise.start()
    phage.process.send_signal(signal.SIGKILL)
    noise.join()
    assert phage.process.wait(60) == -signal.SIGKILL
    assert [each["state"] for each in phage.findings()] == ["open"]
    with sqlite3.connect(phage.state / "store.sqlite3") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    again = lab.phage()
    again.expect("model restored from ensemble-br0-0.1.model")
    assert again.stop() == 0
    # Nobody could close it: the next run did.
    assert [each["state"] for each in again.findings()] == ["closed"]


def test_a_folder_in_use_is_refused_with_its_user(lab: Lab) -> None:
    phage = lab.phage()
    second = lab.on_switch(*lab.command("run", "-i", "br0", "--state-dir", str(phage.state)))
    assert second.wait() == 1
    assert second.transcript() == (
        f"phage: {phage.state} is in use by process {phage.pid}; stop `phage run` first\n"
    )
