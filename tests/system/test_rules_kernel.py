"""Static rules in a real kernel: their meaning, their swap, their trial."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.system.rulelab.chance import NETS
from tests.system.rulelab.packets import (
    ACK,
    ICMP,
    RST,
    SYN,
    TCP,
    UDP,
    Packet,
    number_of,
    reply_to,
)
from tests.system.rulelab.proof import FORGET, Proof
from tests.system.rulelab.router import Router, inside

import phage
from phage.clock import SystemClock
from phage.records.decision import Rate
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
)
from phage.respond.netlink.link import Link
from phage.respond.nft import objects
from phage.respond.nft.apply import RuleSwitch
from phage.respond.nft.names import RuleSetError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

RULE_SETS = int(os.environ.get("RULE_SETS", "150"))
"""Random rule sets to try: a share here, 10,000 in `make soak`."""

FORWARD = frozenset({Hook.FORWARD})
HERE, THERE = NETS["in0"][4] + 1, NETS["out0"][4] + 1
NUMBERS = itertools.count(1 << 24)
DROP_ALL = PacketRules(defaults=tuple((hook, PacketAction.DROP) for hook in Hook))


class Bench:
    """A router with a rule switch, and short words for what tests do with it."""

    def __init__(self, router: Router, folder: Path) -> None:
        self.router = router
        self.path = folder / "rules.json"
        self.vlans: dict[int, tuple[str, ...]] = {}
        self.switch = self.start()

    def start(self) -> RuleSwitch:
        """Start a switch as a process would at its start."""
        switch = RuleSwitch(self.path, SystemClock(), lambda: self.vlans)
        switch.restore()
        return switch

    def passes(self, packet: Packet) -> bool:
        """Send a packet that should arrive; tell whether it did."""
        number = next(NUMBERS)
        self.router.send(packet, number)
        return number in self.router.arrived({number})

    def stops(self, packet: Packet) -> bool:
        """Send a packet that should not arrive; tell whether it did not."""
        number = next(NUMBERS)
        self.router.send(packet, number)
        return number not in self.router.arrived({number}, patience=0.05)

    def nft(self, *command: str) -> str:
        """Run nft."""
        done = subprocess.run(["nft", *command], check=True, capture_output=True, text=True)
        return done.stdout


@pytest.fixture(scope="module")
def router() -> Iterator[Router]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if absent := [tool for tool in ("ip", "nft", "ping") if shutil.which(tool) is None]:
        pytest.skip(f"lacks {', '.join(absent)}")
    built = Router(f"nft{os.getpid()}")
    try:
        built.build()
        with inside(built.name):
            yield built
    finally:
        built.close()


@pytest.fixture
def bench(router: Router, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(router, tmp_path)
    yield made
    made.switch.close()
    subprocess.run(["nft", "delete", "table", "inet", "phage"], check=False, capture_output=True)
    with contextlib.closing(Link()) as link:
        link.ask(FORGET)


def rule(action: PacketAction, name: str = "a rule", **conditions: object) -> PacketRule:
    return PacketRule(name, action, frozenset(Hook), **conditions)  # type: ignore[arg-type]


def udp(port: int, **changes: object) -> Packet:
    """Return a datagram from inside to outside, of a connection of its own."""
    packet = Packet(
        Hook.FORWARD, 4, HERE, THERE, UDP, 20_000 + next(NUMBERS) % 40_000, port,
        mac=0x02005E000001, in_interface="in0", out_interface="out0",
    )  # fmt: skip
    return replace(packet, **changes)  # type: ignore[arg-type]


def syn(port: int, **changes: object) -> Packet:
    return udp(port, protocol=TCP, flags=SYN, **changes)


def test_the_kernel_does_what_random_rules_mean(bench: Bench, tmp_path: Path) -> None:
    proof = Proof(bench.router, tmp_path)
    with contextlib.closing(proof):
        for seed in range(RULE_SETS):
            assert not (difference := proof.try_one(seed)), difference
    assert proof.judged >= RULE_SETS * 50


def test_a_source_is_refused_beyond_its_number_of_connections(bench: Bench) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.DROP, connections=3),)), 0)
    opened = [syn(80) for _ in range(3)]
    assert all(bench.passes(packet) for packet in opened)
    assert bench.stops(syn(80))
    assert bench.passes(syn(80, source=HERE + 1))
    assert bench.passes(reply_to(opened[0], 0x02005E000002))
    assert bench.passes(replace(opened[0], flags=ACK))


def test_a_full_table_of_a_limit_lets_pass_and_counts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "METER_SIZE", 2)
    limit = rule(PacketAction.LIMIT, rate=Rate(1, "packets", 604_800), per="source")
    bench.switch.apply(PacketRules((limit,)), 0)
    for host in range(4):
        assert bench.passes(udp(53, source=HERE + host))
    assert bench.switch.overflow() == 2
    assert bench.stops(udp(53, source=HERE))


def test_a_limit_holds_within_connections(bench: Bench) -> None:
    limit = rule(PacketAction.LIMIT, rate=Rate(3, "packets", 604_800), per="source")
    bench.switch.apply(PacketRules((limit,)), 0)
    packet = udp(53)
    assert bench.passes(packet)
    assert bench.passes(reply_to(packet, 0x02005E000002))
    assert bench.passes(packet)
    assert bench.passes(packet)
    assert bench.stops(packet)
    bench.switch.tick(5)
    assert bench.switch.hits() == [("a rule", 1, 5)]


def test_who_is_rejected_is_told(bench: Bench) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.REJECT),)), 0)
    answers = []
    with bench.router.speaking():
        for packet in (syn(80), udp(53)):
            bench.router.send(packet, next(NUMBERS))
            answers.append(heard(bench.router))
    reset, unreachable = answers
    assert reset[23] == TCP
    assert reset[47] & RST
    assert unreachable[23] == ICMP
    assert tuple(unreachable[34:36]) == (3, 13)  # Administratively prohibited.


def heard(router: Router) -> bytes:
    """Return the next IPv4 frame that the router sends inside."""
    late = time.monotonic() + 60
    while time.monotonic() < late:
        with contextlib.suppress(BlockingIOError):
            frame = router.taps["in0"].recv(4096)
            if frame[12:14] == b"\x08\x00":
                return frame
    pytest.fail("the router says nothing")


def test_loopback_and_neighbour_discovery_survive_a_default_of_drop(bench: Bench) -> None:
    bench.switch.apply(DROP_ALL, 0)
    assert bench.stops(udp(53))
    with bench.router.speaking():
        run("ping", "-c1", "-W5", "127.0.0.1")
        with inside(bench.router.wires):
            Path("/proc/sys/net/ipv6/conf/in1/disable_ipv6").write_text("0", encoding="ascii")
            run("ip", "addr", "replace", "fd02::ff05/120", "dev", "in1", "nodad")
            ping = ["ping", "-c1", "-W1", "fd02::fffe"]
            assert subprocess.run(ping, check=False, capture_output=True).returncode
            neighbours = run("ip", "-6", "neigh", "show", "fd02::fffe")
            Path("/proc/sys/net/ipv6/conf/in1/disable_ipv6").write_text("1", encoding="ascii")
    assert bench.router.macs["in1"].hex(":") in neighbours


def run(*command: str) -> str:
    """Run a program that must succeed."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_vlan_is_its_interface_and_follows_it(bench: Bench) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.DROP, vlans=(9,)),)), 0)
    assert bench.passes(udp(53))
    bench.vlans = {9: ("in0",)}
    bench.switch.tick(1)
    assert bench.stops(udp(53))
    assert bench.passes(udp(53, in_interface="in1"))
    bench.vlans = {}
    bench.switch.tick(2)
    assert bench.passes(udp(53))


def test_hits_outlive_a_swap(bench: Bench) -> None:
    counted = rule(PacketAction.COUNT, "counted")
    bench.switch.apply(PacketRules((counted,)), 0)
    assert bench.passes(udp(53))
    bench.switch.tick(7)
    bench.switch.apply(PacketRules((rule(PacketAction.LOG, "new"), counted)), 0)
    assert bench.passes(udp(53))
    bench.switch.tick(9)
    assert bench.switch.hits() == [("new", 1, 9), ("counted", 2, 9)]
    bench.switch.tick(11)
    assert bench.switch.hits() == [("new", 1, 9), ("counted", 2, 9)]
    again = bench.start()
    again.tick(13)
    assert again.hits() == [("new", 1, 0), ("counted", 2, 0)]
    assert bench.passes(udp(53))
    again.tick(15)
    assert again.hits() == [("new", 2, 15), ("counted", 3, 15)]
    again.close()


def test_a_rule_set_that_the_kernel_refuses_leaves_the_old_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.DROP),)), 0)
    before = bench.nft("-s", "list", "table", "inet", "phage")
    faulty = rule(PacketAction.ACCEPT, "faulty", services=(Service(TCP, ((80, 80),)),))
    monkeypatch.setattr("phage.respond.nft.conditions.PORT_NAMES", {TCP: "no_such_protocol"})
    for confirm in (0, 30):
        with pytest.raises(RuleSetError, match="rule 'faulty' is refused: "):
            bench.switch.apply(PacketRules((faulty,)), confirm)
        assert bench.nft("-s", "list", "table", "inet", "phage") == before
    assert bench.stops(udp(53))
    assert bench.switch.trial_until == 0


def test_a_trial_ends_in_the_kernel_though_nobody_is_left(bench: Bench) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.COUNT),)), 0)
    bench.switch.apply(DROP_ALL, 3.0)
    bench.switch.close()  # As if killed: nothing of it runs any more.
    assert bench.stops(udp(53))
    late = time.monotonic() + 60
    while bench.stops(udp(53)):
        assert time.monotonic() < late, "the trial never ends"
    again = bench.start()
    assert again.trial_until == 0
    assert "rule_trial" not in bench.nft("list", "table", "inet", "phage")
    assert [name for name, _, _ in again.hits()] == ["a rule"]
    again.close()


def test_what_was_not_confirmed_is_taken_back_at_the_next_start(bench: Bench) -> None:
    bench.switch.apply(PacketRules((rule(PacketAction.COUNT),)), 0)
    before = bench.nft("-s", "list", "table", "inet", "phage")
    bench.switch.apply(DROP_ALL, 3600)
    assert bench.stops(udp(53))
    bench.switch.close()
    bench.start().close()
    assert bench.passes(udp(53))
    after = bench.nft("-s", "list", "table", "inet", "phage")
    assert sorted(after.split("\n")) == sorted(before.split("\n"))


def test_a_rule_set_is_confirmed_or_rolled_back(bench: Bench) -> None:
    bench.switch.apply(DROP_ALL, 3600)
    bench.switch.roll_back()
    assert bench.passes(udp(53))
    bench.switch.apply(DROP_ALL, 3600)
    bench.switch.confirm()
    assert bench.stops(udp(53))
    with pytest.raises(RuleSetError, match="no rule set waits"):
        bench.switch.confirm()
    bench.switch.close()
    bench.switch = bench.start()
    assert bench.stops(udp(53))
    bench.switch.roll_back()
    assert bench.passes(udp(53))
    with pytest.raises(RuleSetError, match="no rule set to go back"):
        bench.switch.roll_back()


def test_rules_that_somebody_removed_come_back(bench: Bench) -> None:
    bench.switch.apply(DROP_ALL, 0)
    bench.switch.tick(1)
    for command in (
        ("delete", "table", "inet", "phage"),
        ("flush", "chain", "inet", "phage", "forward"),
        ("insert", "rule", "inet", "phage", "rule_a_forward", "accept"),
    ):
        bench.nft(*command)
        assert bench.passes(udp(53))
        bench.switch.tick(2)
        assert bench.stops(udp(53))


def test_nothing_else_in_the_kernel_is_touched(bench: Bench) -> None:
    bench.nft("add", "table", "ip", "docker")
    bench.nft("add", "chain", "ip", "docker", "input")
    bench.nft("add", "table", "inet", "phage")
    bench.nft("add", "set", "inet", "phage", "ban4", "{ type ipv4_addr; flags timeout; }")
    bench.nft("add", "element", "inet", "phage", "ban4", "{ 192.0.2.1 }")
    bench.nft(
        "add",
        "chain",
        "inet",
        "phage",
        "ban_forward",
        "{ type filter hook forward priority -310; }",
    )
    bench.nft("add", "rule", "inet", "phage", "ban_forward", "ip saddr @ban4 counter drop")
    bench.switch.apply(DROP_ALL, 3600)
    bench.switch.confirm()
    bench.switch.apply(PacketRules(), 0)
    kept = bench.nft("-s", "list", "ruleset")
    bench.nft("delete", "table", "ip", "docker")
    assert "table ip docker" in kept
    assert "elements = { 192.0.2.1 }" in kept
    assert "ip saddr @ban4 counter drop" in kept


@pytest.mark.parametrize("preset", ["home", "iot", "provider", "server"])
def test_the_kernel_takes_the_rules_that_are_shipped(
    bench: Bench, tmp_path: Path, preset: str
) -> None:
    file = Path(phage.__file__).parent / "rules" / f"{preset}.yaml"
    show = ("-m", "phage", "rules", "show", "--as", "nft", "--state-dir", str(tmp_path), str(file))
    script = run(sys.executable, *show)
    (tmp_path / "rules.nft").write_text(script, encoding="ascii")
    bench.nft("-f", str(tmp_path / "rules.nft"))
    assert "counter name" in bench.nft("list", "table", "inet", "phage")


def test_no_packet_slips_through_a_swap(bench: Bench) -> None:
    """Both rule sets drop one flood and accept another; none may be let through, none lost."""
    networks = (IPv4Network((NETS["out0"][4] + 1, 32)),)
    dropped = rule(PacketAction.DROP, "dropped", destination=Addresses(networks))
    sets = [
        PacketRules(
            (*(rule(PacketAction.COUNT, f"{which} {n}") for n in range(50)), dropped),
            ((Hook.FORWARD, PacketAction.ACCEPT),),
        )
        for which in ("one", "other")
    ]
    bench.switch.apply(sets[0], 0)
    flood = Flood(bench.router)
    flood.start()
    swaps = 0
    while swaps < 40 or flood.sent < 20_000:
        bench.switch.apply(sets[(swaps := swaps + 1) % 2], 3600 if swaps % 3 else 0)
    flood.stop()
    assert flood.leaked == 0
    assert flood.lost == 0
    bench.switch.tick(1)
    assert {name: packets for name, packets, _ in bench.switch.hits()}["dropped"] == flood.sent


class Flood:
    """Sends pairs of packets, one to be dropped and one to be accepted, and counts arrivals."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.sent = self.leaked = self.lost = 0
        self._goes_on = True
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._goes_on = False
        self._thread.join()

    def _run(self) -> None:
        tap = self.router.taps["out0"]
        waiting: set[int] = set()
        while self._goes_on or (self.sent and waiting and not self._late()):
            if self._goes_on and len(waiting) < 64:
                number = 2 * self.sent + (1 << 25)
                self.router.send(udp(53), number)
                self.router.send(udp(53, destination=THERE + 1), number + 1)
                waiting.add(number + 1)
                self.sent += 1
                self._end = time.monotonic() + 60
            with contextlib.suppress(BlockingIOError):
                arrived = number_of(tap.recv(4096))
                if arrived is not None and arrived >= 1 << 25:
                    self.leaked += arrived % 2 == 0
                    waiting.discard(arrived)
        self.lost = len(waiting)

    def _late(self) -> bool:
        return time.monotonic() > self._end
