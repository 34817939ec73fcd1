"""Blackholes at a real router: BIRD from Debian."""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phage.records.decision import ReceiptState
from phage.testing.waiting import until

if TYPE_CHECKING:
    from tests.system.bgp.conftest import Network

    from phage.respond.responders.rtbh import Rtbh

pytestmark = pytest.mark.system

V4, V6 = "203.0.113.7", "2001:db8::7"


def wait_for(what: str, network: Network, table: str, wanted: set[str]) -> float:
    """Wait until a table of BIRD holds exactly these; return the seconds that took."""

    def differing() -> set[str]:
        return network.bird.table(table) ^ wanted

    return until(
        lambda: f"{what}: {sorted(differing())[:5]} differ", lambda: not differing(), pause=0.002
    )


def blackholes(*numbers: int) -> set[str]:
    """Return what BIRD shows of these victims in 203.0.113.0/24."""
    return {f"203.0.113.{number}/32".ljust(21) + "blackhole" for number in numbers}


def exabgp_of(responder: Rtbh) -> int:
    assert responder._speaker is not None
    process = responder._speaker._process
    assert process is not None
    assert process._process is not None
    return process._process.pid


def test_a_ban_becomes_a_blackhole_and_goes_when_revoked(network: Network) -> None:
    network.bird.begin()
    rtbh = network.rtbh(communities=("65535:666", "64496:666:1"))
    assert network.reconcile(rtbh, []) == []
    for victim, table, prefix in ((V4, "master4", f"{V4}/32"), (V6, "master6", f"{V6}/128")):
        decision = network.ban(victim)
        (receipt,) = network.apply(rtbh, decision)
        assert receipt.state is ReceiptState.APPLIED, receipt
        assert receipt.detail == f"{prefix} at 10.78.0.1"
        wait_for("route", network, table, {f"{prefix:<20} blackhole"})
        detail = network.bird.detail(table)
        assert "BGP.community: (65535,666)" in detail
        assert "BGP.large_community: (64496, 666, 1)" in detail
        assert network.apply(rtbh, decision)[0].state is ReceiptState.APPLIED
        (withdrawn,) = network.revoke(rtbh, decision)
        assert withdrawn.state is ReceiptState.WITHDRAWN
        wait_for("withdrawal", network, table, set())
        assert network.revoke(rtbh, decision)[0].state is ReceiptState.WITHDRAWN


def test_the_routers_kernel_drops_what_is_sent_to_the_victim(network: Network) -> None:
    network.bird.begin()
    rtbh = network.rtbh()
    network.reconcile(rtbh, [network.ban(V4), network.ban(V6)])
    wait_for("route", network, "master6", {f"{V6 + '/128':<20} blackhole"})
    deadline = time.monotonic() + 60
    for family, victim in (("-4", V4), ("-6", V6)):
        routes: list[dict[str, object]] = []
        while not routes and time.monotonic() < deadline:
            routes = network.bird.in_kernel(family, "route", "show", "type", "blackhole")
        assert [route["dst"] for route in routes] == [victim]


def test_from_ban_to_route(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints how long a ban takes to become a route, with 250 in force."""
    network.bird.begin()
    rtbh = network.rtbh()
    network.reconcile(rtbh, [network.ban(f"198.51.100.{n}") for n in range(1, 251)])
    wanted = {f"198.51.100.{n}/32".ljust(21) + "blackhole" for n in range(1, 251)}
    wait_for("routes", network, "master4", wanted)
    begun, ended = [], []
    for number in range(30):
        decision = network.ban(f"203.0.113.{number}")
        start = time.monotonic()
        network.apply(rtbh, decision)
        wait_for("route", network, "master4", wanted | blackholes(number))
        begun.append(time.monotonic() - start)
        start = time.monotonic()
        network.revoke(rtbh, decision)
        wait_for("withdrawal", network, "master4", wanted)
        ended.append(time.monotonic() - start)
    with capsys.disabled():
        for what, times in (("ban to route", begun), ("revoke to withdrawal", ended)):
            print(  # noqa: T201  A figure.
                f"\nBGP: {what} at BIRD, 250 in force: median {statistics.median(times) * 1e3:.1f}"
                f" ms, worst of {len(times)} {max(times) * 1e3:.1f} ms",
                end="",
            )


def test_all_is_withdrawn_at_once(network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints how long a thousand blackholes take to come, and to go in a panic."""
    network.bird.begin()
    rtbh = network.rtbh()
    network.reconcile(rtbh, [])
    thousand = [network.ban(f"198.18.{n // 250}.{n % 250}") for n in range(1000)]
    wanted = {f"{each.target.value}/32".ljust(21) + "blackhole" for each in thousand}
    start = time.monotonic()
    assert {each.state for each in network.apply(rtbh, *thousand)} == {ReceiptState.APPLIED}
    wait_for("routes", network, "master4", wanted)
    middle = time.monotonic()
    network.do(rtbh.replace, [], 0)
    wait_for("withdrawal", network, "master4", set())
    with capsys.disabled():
        print(  # noqa: T201  A figure.
            f"\nBGP: 1000 blackholes at BIRD in {middle - start:.2f} s, withdrawn in"
            f" {time.monotonic() - middle:.2f} s",
            end="",
        )


def test_a_lost_session_comes_back_with_exactly_what_is_in_force(network: Network) -> None:
    network.bird.begin()
    rtbh = network.rtbh()
    kept, ended, late = (network.ban(f"203.0.113.{n}") for n in (1, 2, 3))
    network.reconcile(rtbh, [kept, ended])
    wait_for("routes", network, "master4", blackholes(1, 2))
    network.bird.stop()
    until("the loss", lambda: network.do(rtbh.is_disturbed))
    lost = network.do(rtbh.replace, [kept, ended], 0)
    assert [each.state for each in lost] == [ReceiptState.FAILED] * 2
    assert "no session" in lost[0].detail
    assert network.revoke(rtbh, ended)[0].state is ReceiptState.WITHDRAWN
    assert network.apply(rtbh, late)[0].state is ReceiptState.FAILED
    network.bird.restart()
    # The speaker announces by itself what was in force and was not withdrawn.
    wait_for("route after the session came back", network, "master4", blackholes(1))
    receipts = network.reconcile(rtbh, [kept, late])
    assert [each.state for each in receipts] == [ReceiptState.APPLIED] * 2
    assert not network.do(rtbh.is_disturbed)
    wait_for("routes", network, "master4", blackholes(1, 3))


def test_a_killed_speaker_is_started_again_and_told_all(network: Network) -> None:
    network.bird.begin()
    rtbh = network.rtbh()
    decision = network.ban(V4)
    network.reconcile(rtbh, [decision])
    wait_for("route", network, "master4", blackholes(7))
    os.kill(exabgp_of(rtbh), signal.SIGKILL)
    wait_for("withdrawal", network, "master4", set())
    until("the loss", lambda: network.do(rtbh.is_disturbed))
    network.reconcile(rtbh, [decision])
    wait_for("route", network, "master4", blackholes(7))


def test_the_end_of_phage_withdraws_everything(network: Network) -> None:
    network.bird.begin()
    rtbh = network.rtbh()
    network.reconcile(rtbh, [network.ban(V4)])
    wait_for("route", network, "master4", blackholes(7))
    pid = exabgp_of(rtbh)
    network.do(rtbh.close)
    wait_for("withdrawal", network, "master4", set())
    assert not Path(f"/proc/{pid}").exists()


def test_phage_killed_leaves_no_route_behind(network: Network) -> None:
    network.bird.begin()
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from phage.records.decision import *
from phage.respond.responders.rtbh import Rtbh
rtbh = Rtbh(neighbours=("10.78.0.1",), local_as=65001, peer_as=65000)
ban = Decision(Target(TargetKind.IP, "{V4}"), Action.BAN, "", 1, id="A", direction=Direction.TO)
end = time.monotonic() + 60
while (receipt := rtbh.replace([ban], 1)[0]).state != "applied":
    assert time.monotonic() < end, receipt
    time.sleep(0.05)
print(rtbh._speaker._process._folder, flush=True)
sys.stdin.read()
"""
    with network.start(program) as phage:
        assert phage.stdout is not None
        folder = Path(phage.stdout.readline().strip())
        assert (folder / "exabgp.conf").exists()
        wait_for("route", network, "master4", blackholes(7))
        phage.kill()
        wait_for("withdrawal", network, "master4", set())
    until("the end of a configuration that may hold a password", lambda: not folder.exists())


def test_routes_are_kept_over_a_restart_where_that_is_set(network: Network) -> None:
    network.bird.begin()
    kept, ended = network.ban("203.0.113.1"), network.ban("203.0.113.2")
    first = network.rtbh(keep_s=60)
    network.reconcile(first, [kept, ended])
    both = blackholes(1, 2)
    wait_for("routes", network, "master4", both)
    network.do(first.close)
    time.sleep(0.5)
    assert network.bird.table("master4") == both
    second = network.rtbh(keep_s=60)
    network.reconcile(second, [kept])
    wait_for("routes", network, "master4", blackholes(1))


def test_a_session_over_ipv6_with_a_password(network: Network, tmp_path: Path) -> None:
    network.bird.begin(ours="fd78::2", router="fd78::1", options='password "s3cret:word";')
    password = tmp_path / "password"
    password.write_text("s3cret:word\n", encoding="ascii")
    rtbh = network.rtbh(
        neighbours=("fd78::1",), router_id="10.78.0.2", password_file=str(password), ttl=1
    )
    network.reconcile(rtbh, [network.ban(V4), network.ban(V6)])
    wait_for("route", network, "master4", blackholes(7))
    wait_for("route", network, "master6", {f"{V6}/128".ljust(21) + "blackhole"})


def test_it_needs_no_privilege(network: Network) -> None:
    network.bird.begin()
    program = f"""
import encodings.ascii, os, sys, time
sys.path[:0] = {sys.path!r}
from phage.records.decision import *
from phage.respond.responders.rtbh import Rtbh
rtbh = Rtbh(neighbours=("10.78.0.1",), local_as=65001, peer_as=65000)
sys.executable = "/usr/bin/python3"  # One that every account may run.
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
ban = Decision(Target(TargetKind.IP, "{V4}"), Action.BAN, "", 1, id="A", direction=Direction.TO)
end = time.monotonic() + 60
while (receipt := rtbh.replace([ban], 1)[0]).state != "applied":
    assert time.monotonic() < end, receipt
    time.sleep(0.05)
with open(f"/proc/{{rtbh._speaker._process._process.pid}}/status") as status:
    print(*[line.split()[1] for line in status if line[:3] in ("Uid", "Cap")], flush=True)
sys.stdin.read()
rtbh.close()
"""
    with network.start(program) as phage:
        assert phage.stdin is not None
        assert phage.stdout is not None
        account, *capabilities = phage.stdout.readline().split()
        assert account == "65534"
        assert {int(each, 16) for each in capabilities[:3]} == {0}
        wait_for("route", network, "master4", blackholes(7))
        phage.stdin.close()
        wait_for("withdrawal", network, "master4", set())
