"""The responder for hosts with iptables, in a namespace with the real programs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

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
    ban = Decision(Target(TargetKind.IP, "10.78.1.2"), Action.BAN, "", 1, 0, "01K")
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


def test_what_somebody_removed_is_noticed_and_put_back(lab: Lab) -> None:
    said = lab.router.python(PROGRAM, ";".join(UNDOING)).split()
    if said[0] == "unavailable":
        pytest.skip(" ".join(said))
    assert said == ["applied", "False", *["True", "False"] * len(UNDOING)]
    assert not lab.near.reaches("10.78.2.2")
