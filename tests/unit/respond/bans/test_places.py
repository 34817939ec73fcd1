from __future__ import annotations

import pytest

from phage.records.decision import Action, Decision, Direction, Pattern, Rate, Target, TargetKind
from phage.respond.bans.places import keys_of, place_of, sides
from phage.respond.bans.special import special
from phage.respond.responders.nftables import NftablesResponder


@pytest.mark.parametrize(
    ("kind", "value", "names"),
    [
        ("ip", "192.0.2.1", ["ban4"]),
        ("ip", "2001:db8::1", ["ban6"]),
        ("prefix", "192.0.2.0/24", ["net4_24"]),
        ("prefix", "2001:db8::/64", ["ban6_64"]),
        ("prefix", "2001:db8::/48", ["net6_48"]),
        ("prefix", "192.0.2.1/32", ["ban4"]),
        ("mac", "02:00:5e:00:00:01", ["ban_mac"]),
        ("device", "02:00:5e:00:00:01", ["ban_mac"]),
        ("device", "192.0.2.1", ["ban4"]),
        ("device", "02:00:5e:00:00:01 192.0.2.1,2001:db8::1", ["ban_pair4", "ban_pair6"]),
    ],
)
def test_where_a_target_goes(kind: str, value: str, names: list[str]) -> None:
    keys = keys_of(Target(TargetKind(kind), value))
    assert [place_of(Action.BAN, key, to=False).name for key in keys] == names


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ip", "192.0.2.0/24"),
        ("ip", "localhost"),
        ("prefix", "192.0.2.1/24"),
        ("prefix", "0.0.0.0/0"),
        ("prefix", "::/0"),
        ("mac", "02:00:5E:00:00:01"),
        ("mac", "02005e000001"),
        ("device", "printer"),
        ("device", "02:00:5e:00:00:01 192.0.2.1,"),
        ("device", "02:00:5e:00:00:01 " + ",".join(["192.0.2.1"] * 65)),
        ("domain", "example.org"),
    ],
)
def test_what_is_no_target_is_told(kind: str, value: str) -> None:
    decision = Decision(Target(TargetKind(kind), value), Action.BAN, "", 0, id="1")
    assert NftablesResponder().suits(decision)


def test_directions() -> None:
    decision = Decision(Target(TargetKind.IP, "192.0.2.1"), Action.BAN, "", 0)
    (key,) = keys_of(decision.target)
    assert sides(decision, key) == (False,)
    for direction, where in ((Direction.TO, (True,)), (Direction.BOTH, (False, True))):
        other = Decision(decision.target, Action.BAN, "", 0, direction=direction)
        assert sides(other, key) == where


TARGET = Target(TargetKind.IP, "192.0.2.1")


@pytest.mark.parametrize(
    ("decision", "why"),
    [
        (Decision(TARGET, Action.LIMIT, "", 0, id="1"), "needs a rate"),
        (Decision(TARGET, Action.LIMIT, "", 0, id="1", rate=Rate(0)), "a rate is"),
        (Decision(TARGET, Action.LIMIT, "", 0, id="1", rate=Rate(1, "bits")), "the unit"),
        (Decision(TARGET, Action.LIMIT, "", 0, id="a; drop", rate=Rate(1)), "letters and digits"),
        (Decision(TARGET, Action.QUARANTINE, "", 0, id="1", pattern=Pattern(6)), "all packets"),
        (Decision(TARGET, Action.BAN, "", 0, id="1", pattern=Pattern(1, ((1, 2),))), "no ports"),
        (Decision(TARGET, Action.BAN, "", 0, id="1", pattern=Pattern(300)), "no protocol 300"),
        (Decision(TARGET, Action.BAN, "", 0, id="1", pattern=Pattern(6, ((9, 1),))), "upwards"),
        (Decision(TARGET, Action.BAN, "", 0, id="1", pattern=Pattern(17, tcp_flags=(2, 2))), "TCP"),
        (Decision(TARGET, Action.BAN, "", 0, id="1", pattern=Pattern(tcp_flags=(1, 2))), "never"),
        (
            Decision(
                TARGET,
                Action.BAN,
                "",
                0,
                id="1",
                pattern=Pattern(ports=tuple((n, n) for n in range(1, 40))),
            ),
            "rules, of at most",
        ),
    ],
)
def test_rules_of_one_decision_that_cannot_be(decision: Decision, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        special(decision)
