"""Decisions meet real packets in a router's kernel, through the enforcer."""

from __future__ import annotations

import ipaddress
import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.system.banlab.conftest import SECOND, Lab, ban

from phage.enforcer.process import panic
from phage.records.decision import Action, Decision, Direction, Pattern, Rate, ReceiptState
from phage.respond.bans.lists import from_text
from phage.respond.netlink.bulk import octets
from phage.respond.remote import EnforcerError
from phage.testing.waiting import until

if TYPE_CHECKING:
    from phage.respond.remote import RemoteResponder

pytestmark = pytest.mark.system

SENDER = """
    import socket, sys
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if len(sys.argv) > 4:
        out.bind((sys.argv[4], 0))
    for _ in range(int(sys.argv[3])):
        out.sendto(b"x" * 20, (sys.argv[1], int(sys.argv[2])))
"""
COUNTER = """
    import socket, sys
    into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    into.bind(("", int(sys.argv[1])))
    print("ready")
    sys.stdin.readline()
    into.settimeout(0.5)
    count = 0
    try:
        while True:
            into.recv(100)
            count += 1
    except TimeoutError:
        print(count)
"""


def applied(responder: RemoteResponder, *decisions: Decision) -> None:
    receipts = responder.apply(decisions, time.time_ns())
    assert [each.state for each in receipts] == [ReceiptState.APPLIED] * len(decisions), receipts


def arrived(lab: Lab, count: int, port: int, *source: str) -> int:
    """Send datagrams from near to far; return how many arrive."""
    receiver = lab.far.start(COUNTER, str(port))
    lab.started.append(receiver)
    lab.near.python(SENDER, "10.78.2.2", str(port), str(count), *source)
    return int(receiver.communicate("go\n", timeout=60)[0])


def heard(lab: Lab, port: int, address: str) -> int:
    """Send five datagrams from near to the router, or to all; return how many the router gets."""
    receiver = lab.router.start(COUNTER, str(port))
    lab.started.append(receiver)
    lab.near.python(SENDER, address, str(port), "5")
    return int(receiver.communicate("go\n", timeout=60)[0])


@pytest.mark.parametrize("interfaces", [(), ("near", "far")], ids=["prerouting", "ingress"])
@pytest.mark.parametrize(
    ("target", "destination"),
    [
        ("10.78.1.2", "10.78.2.2"),
        ("10.78.1.0/24", "10.78.2.2"),
        ("10.78.0.0/23", "10.78.1.1"),
        ("fd78:1::2", "fd78:2::2"),
        ("fd78:1::/64", "fd78:2::2"),
        ("fd78::/31", "fd78:1::1"),
        ("02:78:00:00:00:01", "10.78.2.2"),
        ("02:78:00:00:00:01", "fd78:2::2"),
        ("02:78:00:00:00:01 10.78.1.2,fd78:1::2", "10.78.2.2"),
        ("02:78:00:00:00:01 10.78.1.2,fd78:1::2", "fd78:2::2"),
    ],
)
def test_what_is_banned_stops_and_goes_on_after(
    lab: Lab, interfaces: tuple[str, ...], target: str, destination: str
) -> None:
    responder = lab.start(*interfaces)
    decision = ban(target)
    applied(responder, decision)
    assert not lab.near.reaches(destination)
    responder.revoke([decision], time.time_ns())
    assert lab.near.reaches(destination)


def test_a_device_is_banned_with_its_address_only(lab: Lab) -> None:
    responder = lab.start()
    applied(responder, ban("02:78:00:00:00:01 10.78.1.2", 1), ban("02:78:00:00:00:09 10.78.1.3", 2))
    assert not lab.near.reaches("10.78.2.2", "-I", "10.78.1.2")
    assert lab.near.reaches("10.78.2.2", "-I", "10.78.1.3")


def test_directions(lab: Lab) -> None:
    responder = lab.start()
    applied(responder, ban("10.78.2.2", direction=Direction.TO))
    assert not lab.near.reaches("10.78.2.2")
    assert not lab.router.reaches("10.78.2.2")
    assert lab.near.reaches("10.78.2.3")


def test_two_decisions_on_one_target_are_kept_apart(lab: Lab) -> None:
    responder = lab.start()
    first, second = ban("10.78.1.2", 1), ban("10.78.1.2", 2, seconds=900)
    applied(responder, first, second)
    responder.revoke([second], time.time_ns())
    assert not lab.near.reaches("10.78.2.2")
    responder.revoke([first], time.time_ns())
    assert lab.near.reaches("10.78.2.2")


def test_what_is_gone_already_can_be_revoked(lab: Lab) -> None:
    responder = lab.start()
    bans = [ban(f"10.78.1.{number}", number) for number in range(2, 8)]
    applied(responder, *bans)
    for number in range(2, 7):
        element = ("ban4", "{", f"10.78.1.{number}", "}")
        lab.router.run("nft", "delete", "element", "inet", "phage", *element)
    receipts = responder.revoke(bans, time.time_ns())
    assert {each.state for each in receipts} == {ReceiptState.WITHDRAWN}
    assert members(lab) == set()


def test_counters_go_on_when_rules_are_written_anew(lab: Lab) -> None:
    responder = lab.start()
    applied(responder, ban("10.78.1.2", 1))
    for number in range(1, 4):
        assert not lab.near.reaches("10.78.2.2")
        applied(responder, ban(f"10.{number}.0.0/{16 + number}", 10 + number))
        assert responder.counters()["ban_from"][0] == number


def test_the_allow_list_comes_first_everywhere(lab: Lab) -> None:
    responder = lab.start("near")
    applied(
        responder,
        ban("10.78.1.2", 1),
        ban("10.78.0.0/16", 2, direction=Direction.BOTH),
        ban("02:78:00:00:00:01", 3),
        ban("10.78.1.2", 4, action=Action.QUARANTINE),
        ban("10.78.1.2", 5, pattern=Pattern(protocol=1)),
    )
    responder.load_list("feed", [(4, 16, bytes([10, 78, 0, 0]))], destination=True)
    assert not lab.near.reaches("10.78.2.2")
    responder.protect([ipaddress.ip_network("10.78.0.0/16")])
    assert lab.near.reaches("10.78.2.2")
    responder.protect([])
    assert not lab.near.reaches("10.78.2.2")


def test_a_ban_ends_by_itself_within_a_second(lab: Lab) -> None:
    responder = lab.start()
    decision = ban("10.78.1.2", seconds=2)
    applied(responder, decision)
    lab.kill()
    banned = asked = time.time_ns()
    while not lab.near.reaches("10.78.2.2", "-W", "1"):
        banned, asked = asked, time.time_ns()
    assert time.time_ns() > decision.until - SECOND / 5, "too early"
    assert banned < decision.until + SECOND, "who asked a second later was banned still"


def test_limit(lab: Lab) -> None:
    responder = lab.start("near")
    limit = Rate(10, burst=20)
    applied(responder, ban("10.78.1.2", action=Action.LIMIT, rate=limit))
    assert 20 <= arrived(lab, 500, 9000) <= 60
    assert arrived(lab, 500, 9000, "10.78.1.3") == 500


def test_limit_of_connections(lab: Lab) -> None:
    responder = lab.start()
    limit = Rate(1, "connections", 60, burst=3)
    applied(responder, ban("10.78.1.2", action=Action.LIMIT, rate=limit))
    assert arrived(lab, 100, 9000) == 100
    assert arrived(lab, 100, 9001) == 100
    assert arrived(lab, 100, 9002) == 100
    assert arrived(lab, 100, 9003) == 0


def test_reject(lab: Lab) -> None:
    responder = lab.start()
    applied(responder, ban("10.78.1.2", action=Action.REJECT))
    said = lab.near.python(
        """
        import socket
        try:
            socket.create_connection(("10.78.2.2", 80), 60)
        except ConnectionRefusedError:
            print("reset")
        """
    )
    assert said == "reset\n"
    assert responder.counters()["rejected"][0] == 1


@pytest.mark.parametrize(
    ("pattern", "stops"),
    [
        (Pattern(protocol=17, ports=((9000, 9000),)), True),
        (Pattern(ports=((8000, 8999), (9000, 9000))), True),
        (Pattern(protocol=17, ports=((9001, 9001),)), False),
        (Pattern(protocol=6, ports=((9000, 9000),)), False),
        (Pattern(lengths=((48, 48),)), True),
        (Pattern(lengths=((49, 1500),)), False),
        (Pattern(fragments=True), False),
        (Pattern(protocol=17, source_ports=((1024, 65535),)), True),
    ],
)
@pytest.mark.parametrize("direction", [Direction.FROM, Direction.TO])
def test_patterns(lab: Lab, pattern: Pattern, direction: Direction, stops: bool) -> None:
    responder = lab.start("near")
    target = "10.78.1.2" if direction is Direction.FROM else "10.78.2.2"
    applied(responder, ban(target, pattern=pattern, direction=direction))
    assert arrived(lab, 50, 9000) == (0 if stops else 50)


def test_quarantine_lets_the_needful_through(lab: Lab) -> None:
    responder = lab.start()
    applied(responder, ban("02:78:00:00:00:01", action=Action.QUARANTINE))
    assert heard(lab, 67, "10.78.1.1") == heard(lab, 67, "255.255.255.255") == 5
    assert heard(lab, 53, "10.78.1.1") == 5
    assert heard(lab, 80, "10.78.1.1") == 0
    # A name server, and nobody else who listens at its port.
    assert arrived(lab, 5, 53) == 0
    responder.protect([ipaddress.ip_network("10.78.2.2")])
    assert arrived(lab, 5, 53) == 5
    assert arrived(lab, 5, 80) == 0
    assert lab.near.reaches("10.78.1.1")
    assert not lab.near.reaches("10.78.2.2")
    # Neighbour discovery still works.
    assert lab.near.reaches("fd78:1::1")


def test_a_standing_connection_is_cut(lab: Lab) -> None:
    lab.router.run("nft", "add table ip other; add chain ip other forward"
                   " { type filter hook forward priority 0; };"
                   " add rule ip other forward ct state established accept")  # fmt: skip
    server = lab.far.start(
        """
        import socket
        listening = socket.create_server(("", 80))
        print("ready")
        taken, _ = listening.accept()
        while taken.recv(100):
            print("got", flush=True)
        """
    )
    lab.started.append(server)
    client = lab.near.start(
        """
        import socket, sys
        out = socket.create_connection(("10.78.2.2", 80))
        print("connected")
        for line in sys.stdin:
            out.send(b"x")
        """
    )
    lab.started.append(client)
    assert client.stdin is not None
    assert server.stdout is not None
    client.stdin.write("send\n")
    client.stdin.flush()
    assert server.stdout.readline() == "got\n"
    assert "10.78.1.2" in lab.router.run("conntrack", "-L")
    responder = lab.start()
    applied(responder, ban("10.78.1.2"))
    assert "10.78.1.2" not in lab.router.run("conntrack", "-L")
    dropped = responder.counters()["ban_from"][0]
    client.stdin.write("send\n")
    client.stdin.flush()
    until("the packet dropped", lambda: responder.counters()["ban_from"][0] > dropped)
    responder.revoke([ban("10.78.1.2")], time.time_ns())
    # A prefix is cut as well.
    assert lab.near.reaches("10.78.2.2")
    assert "10.78.1.2" in lab.router.run("conntrack", "-L")
    applied(responder, ban("10.78.1.0/28", 2))
    assert "10.78.1.2" not in lab.router.run("conntrack", "-L")


OTHERS = """
table ip nat {
    chain DOCKER { iifname "docker0" return; tcp dport 8080 dnat to 172.17.0.2:80; }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump DOCKER
    }
}
table inet f2b-table {
    set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.5, 203.0.113.6 }; }
    chain f2b-chain {
        type filter hook input priority filter - 1; policy accept;
        tcp dport 22 ip saddr @addr-set-sshd reject
    }
}
"""


def test_tables_of_others_are_left_alone(lab: Lab) -> None:
    lab.router.run("nft", "-f", "-", text=OTHERS)

    def others() -> str:
        return lab.router.run("nft", "-a", "list", "table", "ip", "nat") + lab.router.run(
            "nft", "-a", "list", "table", "inet", "f2b-table"
        )

    before = others()
    responder = lab.start("near")
    applied(responder, ban("10.78.1.2", 1), ban("fd78::/40", 2), ban("10.78.1.9", 3))
    responder.load_list("feed", [(4, 32, bytes([10, 9, 8, 7]))])
    responder.revoke([ban("10.78.1.2", 1)], time.time_ns())
    responder.replace([], time.time_ns())
    # fail2ban bans at the same time: neither is in the way of the other.
    for number in range(20):
        element = f"{{ 198.51.100.{number} }}"
        lab.router.run("nft", "add", "element", "inet", "f2b-table", "addr-set-sshd", element)
        applied(responder, ban(f"10.77.0.{number}", number))
    for number in range(20):
        element = f"{{ 198.51.100.{number} }}"
        lab.router.run("nft", "delete", "element", "inet", "f2b-table", "addr-set-sshd", element)
    assert not responder.is_disturbed()
    responder.panic()
    assert others() == before


@pytest.mark.parametrize(
    "harm",
    [
        "flush ruleset",
        "delete table inet phage",
        "flush table inet phage",
        "flush set inet phage ban4",
        "flush chain inet phage drop_from4",
        "flush chain inet phage prerouting",
    ],
)
def test_what_somebody_else_removes_comes_back(lab: Lab, harm: str) -> None:
    responder = lab.start()
    responder.replace([ban("10.78.1.2")], time.time_ns())
    responder.load_list("feed", [(4, 32, bytes([10, 78, 1, 3]))])
    for _ in range(2):
        lab.router.run("nft", *harm.split())
        until("the ban again", lambda: not lab.near.reaches("10.78.2.2", "-I", "10.78.1.2"))
        until("the list again", lambda: not lab.near.reaches("10.78.2.2", "-I", "10.78.1.3"))


def test_one_ban_of_many_that_somebody_removes_comes_back(lab: Lab) -> None:
    responder = lab.start()
    # More than are asked for at a time, with others before and after the one that goes.
    many = [ban(f"10.60.{n >> 8}.{n & 255}", n) for n in range(5000)]
    many.insert(3000, ban("10.78.1.2", 90_000))
    responder.replace(many, time.time_ns())
    for _ in range(2):
        lab.router.run("nft", "delete element inet phage ban4 { 10.78.1.2 }")
        until("the ban again", lambda: "10.78.1.2" in members(lab))
    assert len(members(lab)) == len(many)


def test_an_interface_that_comes_later_is_watched(lab: Lab) -> None:
    responder = lab.start("later")
    responder.replace([ban("10.78.1.2")], time.time_ns())
    lab.router.run("ip", "link", "add", "later", "type", "veth", "peer", "name", "end")
    chain = ("nft", "list", "chain", "inet", "phage", "ingress")
    until("a chain there", lambda: "later" in lab.router.run(*chain, check=False))


def test_a_list_is_replaced_under_traffic_without_a_leak(lab: Lab) -> None:
    responder = lab.start("near")
    listed = [f"10.{a}.{b}.{c}" for a in (1, 78) for b in range(20) for c in range(256)]
    receiver = lab.far.start(COUNTER, "9000")
    lab.started.append(receiver)

    def load(lines: list[str]) -> int:
        keys = [
            (at[0], at[1], octets(at[0], each).tobytes()) for at, each in from_text(lines).items()
        ]
        return responder.load_list("feed", keys)

    assert load(listed) == len(listed)
    flood = lab.near.start(
        """
        import socket, time
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print("sending", flush=True)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            for _ in range(100):
                out.sendto(b"x", ("10.78.2.2", 9000))
        """
    )
    for turn in range(6):
        changed = [*listed, *(f"192.0.{turn}.{each}" for each in range(250))]
        whole = changed if turn % 2 else [each for each in changed if not each.startswith("10.1.")]
        load(whole)
    flood.communicate()
    assert receiver.communicate("go\n", timeout=60)[0] == "0\n"
    assert responder.counters()["list_feed"][0] > 1000


def members(lab: Lab) -> set[str]:
    listed: dict[str, Any] = json.loads(
        lab.router.run("nft", "-j", "list", "table", "inet", "phage")
    )
    return {
        element["elem"]["val"] if "elem" in element else element
        for each in listed["nftables"]
        if each.get("set", {}).get("name") == "ban4"
        for element in each["set"].get("elem", ())
    }


def test_kernel_and_decisions_agree_after_every_kill(lab: Lab) -> None:
    chance = random.Random(7)
    ledger: dict[str, Decision] = {}
    responder = lab.start()
    for turn in range(12):
        responder.replace(list(ledger.values()), time.time_ns())
        for number in range(chance.randrange(1, 60)):
            address = f"10.50.{chance.randrange(4)}.{chance.randrange(250)}"
            decision = ban(address, turn * 100 + number)
            if address in ledger and chance.random() < 0.5:
                responder.revoke([ledger.pop(address)], time.time_ns())
            else:
                ledger[address] = decision
                responder.apply([decision], time.time_ns())
            if chance.random() < 0.03:
                break
        lab.kill()
        responder = lab.start()
        assert responder.is_disturbed()
        responder.replace(list(ledger.values()), time.time_ns())
        assert not responder.is_disturbed()
        assert members(lab) == set(ledger)


def test_panic_lets_everything_through(lab: Lab) -> None:
    responder = lab.start("near")
    many = [ban(f"10.60.{n >> 8}.{n & 255}", n) for n in range(20_000)]
    responder.replace([*many, ban("10.78.1.2", 90_000)], time.time_ns())
    responder.load_list("feed", [(4, 32, bytes([10, 78, 1, 3]))])
    assert not lab.near.reaches("10.78.2.2", "-I", "10.78.1.3")
    assert panic(lab.socket)
    assert lab.near.reaches("10.78.2.2", "-I", "10.78.1.3")
    assert lab.near.reaches("10.78.2.2", "-I", "10.78.1.2")
    time.sleep(0.6)
    assert lab.near.reaches("10.78.2.2", "-I", "10.78.1.2"), "and it stays so"
    assert responder.is_disturbed(), "who put the bans there is told that they are gone"
    lab.kill()
    with pytest.raises(EnforcerError):
        responder.counters()
