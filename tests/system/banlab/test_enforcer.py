"""The enforcer as a process: what it may do, and when it ends."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.system.banlab.conftest import ban

from phage.respond.remote import EnforcerError, RemoteResponder
from phage.testing.waiting import until

if TYPE_CHECKING:
    import subprocess

    from tests.system.banlab.conftest import Lab

pytestmark = pytest.mark.system

STARTER = """
    import pathlib, sys, time
    from phage.enforcer.process import start
    folder = pathlib.Path(sys.argv[1])
    started = start(folder / "s", int(sys.argv[2]), folder / "own")
    print("started")
    print(started.pid)
    sys.stdin.readline()
    started.stop()
    print(started.process.returncode)
"""
NOBODY = 65534


@pytest.fixture
def starter(lab: Lab) -> subprocess.Popen[str]:
    lab.folder.chmod(0o755)
    started = lab.router.start(STARTER, str(lab.folder), str(NOBODY))
    lab.started.append(started)
    return started


def pid_of(starter: subprocess.Popen[str]) -> int:
    assert starter.stdout is not None
    return int(starter.stdout.readline())


def connected(lab: Lab) -> RemoteResponder:
    responder = RemoteResponder(lab.folder / "s")
    lab.responders.append(responder)

    def answers() -> bool:
        try:
            responder.trial_until()
        except EnforcerError:
            return False
        return True

    until("the enforcer", answers)
    return responder


def test_it_has_one_capability_and_can_have_no_other(
    lab: Lab, starter: subprocess.Popen[str]
) -> None:
    pid = pid_of(starter)
    responder = connected(lab)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[each], 16) == 1 << 12, each
    assert status["NoNewPrivs"] == "1"
    assert responder.apply([ban("10.78.1.2")], time.time_ns())[0].state == "applied"
    assert (lab.folder / "s").stat().st_uid == NOBODY
    assert (lab.folder / "own").stat().st_mode & 0o777 == 0o700


def test_it_ends_when_it_is_told(lab: Lab, starter: subprocess.Popen[str]) -> None:
    pid_of(starter)
    connected(lab)
    assert starter.communicate("stop\n", timeout=60)[0] == "0\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_starter_and_bans_stay(
    lab: Lab, starter: subprocess.Popen[str], how: signal.Signals
) -> None:
    pid = pid_of(starter)
    responder = connected(lab)
    responder.replace([ban("10.78.1.2")], time.time_ns())
    starter.send_signal(how)

    def ended() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until("its end", ended)
    assert not lab.near.reaches("10.78.2.2")


def test_panic_does_not_wait_for_an_enforcer_that_hangs(
    lab: Lab, starter: subprocess.Popen[str]
) -> None:
    pid = pid_of(starter)
    connected(lab).replace([ban("10.78.1.2")], time.time_ns())
    assert not lab.near.reaches("10.78.2.2")
    (serving,) = children(pid)
    os.kill(serving, signal.SIGSTOP)
    try:
        code = "import pathlib, sys; from phage.enforcer.process import panic\n"
        code += "print(panic(pathlib.Path(sys.argv[1])))"
        said = lab.router.run(sys.executable, "-c", code, str(lab.folder / "s"))
        assert "False" in said
        assert lab.near.reaches("10.78.2.2")
    finally:
        os.kill(serving, signal.SIGCONT)


def test_another_takes_over_when_it_is_killed(lab: Lab, starter: subprocess.Popen[str]) -> None:
    keeper = pid_of(starter)
    responder = connected(lab)
    responder.protect([ipaddress.ip_network("10.78.1.3")])
    for _ in range(3):
        (serving,) = children(keeper)
        os.kill(serving, signal.SIGKILL)
        until("another", lambda gone=serving: children(keeper) not in ([], [gone]))  # type: ignore[misc]
        assert responder.is_disturbed(), "it knows nothing of what the last one did"
        responder.protect([ipaddress.ip_network("10.78.1.3")])
        responder.replace([ban("10.78.1.2"), ban("10.78.1.3", 1)], time.time_ns())
        assert not responder.is_disturbed()
        assert not lab.near.reaches("10.78.2.2")
        assert lab.near.reaches("10.78.2.2", "-I", "10.78.1.3"), "the allow-list stands"


def test_it_goes_with_its_keeper(lab: Lab, starter: subprocess.Popen[str]) -> None:
    keeper = pid_of(starter)
    connected(lab)
    (serving,) = children(keeper)
    os.kill(keeper, signal.SIGKILL)
    until("its end", lambda: not commandline(serving))


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def commandline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_static_rules_stand_again_after_a_restart(lab: Lab) -> None:
    from phage.records.packetrule import Hook, PacketAction, PacketRule, PacketRules, Service

    blocked = PacketRule(
        "no ping", PacketAction.DROP, frozenset({Hook.FORWARD}), services=(Service(1),)
    )
    responder = lab.start()
    responder.apply_rules(PacketRules((blocked,)))
    assert not lab.near.reaches("10.78.2.2")
    responder.replace([ban("10.99.0.1")], time.time_ns())
    lab.kill()
    lab.router.run("nft", "flush", "ruleset")
    assert lab.near.reaches("10.78.2.2")
    again = lab.start()
    assert not lab.near.reaches("10.78.2.2")
    again.panic()
    assert lab.near.reaches("10.78.2.2")
    lab.kill()
    lab.start()
    assert lab.near.reaches("10.78.2.2"), "and it is remembered"


KILLED = 20


def test_killed_in_the_middle_of_a_batch_nothing_is_half_done(lab: Lab) -> None:
    """Each batch is in the kernel whole or not at all, and the next enforcer makes it right."""
    from phage.records.decision import ReceiptState

    chance = random.Random(5)
    responder = lab.start()
    kept = [ban(f"198.18.{each // 250}.{each % 250}", each) for each in range(500)]
    for turn in range(KILLED):
        responder.replace(kept, time.time_ns())
        batch = [
            ban(f"198.19.{each // 250}.{each % 250}", 1000 + turn * 5000 + each)
            for each in range(5000)
        ]
        killer = threading.Timer(chance.uniform(0.0, 0.12), lab.kill)
        killer.start()
        receipts = responder.apply(batch, time.time_ns())
        killer.join()
        there = banned(lab)
        assert len(there) in (500, 5500), f"round {turn}"
        if receipts[0].state is ReceiptState.APPLIED:
            assert len(there) == 5500
        responder.close()
        responder = lab.start()
        responder.replace([*kept, *batch[:10]], time.time_ns())
        assert len(banned(lab)) == 510
        assert not responder.is_disturbed()


def banned(lab: Lab) -> list[str]:
    listed = json.loads(lab.router.run("nft", "-j", "list", "set", "inet", "phage", "ban4"))
    (found,) = [each["set"] for each in listed["nftables"] if "set" in each]
    return [each["elem"]["val"] for each in found.get("elem", [])]
