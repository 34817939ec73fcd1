"""The responder for hosts with iptables, in a namespace with the real programs."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.system.banlab.conftest import ban

from phage.records.decision import Direction, ReceiptState
from phage.respond.remoteipset import RemoteIpset
from phage.respond.responders.ipset import IpsetResponder

if TYPE_CHECKING:
    from tests.system.banlab.conftest import Lab

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("iptables") is None, reason="needs iptables"),
]

PROGRAM = """
    import subprocess, sys, time
    from phage.records.decision import Action, Decision, Target, TargetKind
    from phage.respond.responders import ipset

    ipset.LOOK_SECONDS = 0.0
    responder = ipset.IpsetResponder()
    if why := responder.available():
        print("unavailable", why)
        sys.exit()
    until = int(sys.argv[2]) and time.time_ns() + int(sys.argv[2]) * 10**9
    ban = Decision(Target(TargetKind.IP, "10.78.1.2"), Action.BAN, "", 1, until, "01K")
    print(*(each.state for each in responder.replace([ban], time.time_ns())))
    print(responder.is_disturbed())
    for undo in sys.argv[1].split(";"):
        subprocess.run(undo.split(), check=True)
        print(responder.is_disturbed())
        responder.replace([ban], time.time_ns())
        print(responder.is_disturbed())
"""
UNDOING = (
    "iptables -D FORWARD -j PHAGE",
    "ip6tables -F PHAGE",
    "iptables -F",
    "ipset flush phage4",
)


@pytest.mark.parametrize("seconds", [0, 600])
def test_what_somebody_removed_is_noticed_and_put_back(lab: Lab, seconds: int) -> None:
    said = lab.router.python(PROGRAM, ";".join(UNDOING), str(seconds)).split()
    if said[0] == "unavailable":
        pytest.skip(" ".join(said))
    assert said == ["applied", "False", *["True", "False"] * len(UNDOING)]
    assert not lab.near.reaches("10.78.2.2")


def test_the_enforcer_does_it_for_who_has_no_privilege(lab: Lab) -> None:
    """It runs as another account, with one capability, which iptables inherits."""
    if why := IpsetResponder.available():
        pytest.skip(why)
    lab.start(iptables=True)
    with closing(RemoteIpset(lab.socket)) as responder:
        assert responder.is_disturbed()
        single, net = ban("10.78.1.2", 1), ban("fd78:1::/64", 2)
        unsuited = ban("10.78.1.3", 3, direction=Direction.TO)
        receipts = responder.replace([single, unsuited, net], time.time_ns())
        states = {each.decision: each.state for each in receipts}
        assert states == {
            single.id: ReceiptState.APPLIED,
            net.id: ReceiptState.APPLIED,
            unsuited.id: ReceiptState.UNSUITED,
        }
        assert not responder.is_disturbed()
        assert not lab.near.reaches("10.78.2.2")
        assert not lab.near.reaches("fd78:2::2")
        responder.revoke([single], time.time_ns())
        assert lab.near.reaches("10.78.2.2")
        responder.apply([single], time.time_ns())
        assert not lab.near.reaches("10.78.2.2")
        lab.responders[0].panic()
        assert lab.near.reaches("10.78.2.2")
        assert lab.near.reaches("fd78:2::2")
        assert responder.is_disturbed()


def test_an_enforcer_without_iptables_names_the_way(lab: Lab) -> None:
    lab.start()
    with closing(RemoteIpset(lab.socket)) as responder:
        (receipt,) = responder.replace([ban("10.78.1.2")], time.time_ns())
        assert receipt.state is ReceiptState.FAILED
        assert "--iptables" in receipt.detail


def test_root_empties_the_sets_without_an_enforcer(lab: Lab) -> None:
    if why := IpsetResponder.available():
        pytest.skip(why)
    lab.start(iptables=True)
    with closing(RemoteIpset(lab.socket)) as responder:
        responder.replace([ban("10.78.1.2")], time.time_ns())
    lab.kill()
    assert not lab.near.reaches("10.78.2.2")
    lab.router.python("from phage.enforcer.process import panic_directly; panic_directly()")
    assert lab.near.reaches("10.78.2.2")
