from __future__ import annotations

import dataclasses
import ipaddress
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.records.decision import Action, Decision, Direction, Pattern, Rate, Target, TargetKind
from phage.records.packetrule import (
    Addresses,
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    Service,
)
from phage.respond.bans.plain import PlainBans
from phage.respond.wire import messages
from phage.respond.wire.codec import MessageError, encode

DECISION = Decision(
    Target(TargetKind.PREFIX, "2001:db8::/64"),
    Action.LIMIT,
    "because",
    1,
    2,
    "01K",
    direction=Direction.BOTH,
    pattern=Pattern(17, ((53, 53), (1, 9)), (), (3, 1), ((0, 100),), fragments=True),
    rate=Rate(10, "octets", 2, 5),
    responders=("nftables",),
)
RULES = PacketRules(
    (
        PacketRule(
            "a rule: ü",
            PacketAction.LIMIT,
            frozenset({Hook.INPUT, Hook.FORWARD}),
            Addresses((ipaddress.ip_network("10.0.0.0/8"),), ("s",)),
            services=(Service(6, ((80, 81),)),),
            source_macs=(1 << 47,),
            rate=Rate(3),
        ),
    ),
    ((Hook.INPUT, PacketAction.DROP),),
    (ipaddress.ip_network("::1"),),
    (("s", (ipaddress.ip_network("192.0.2.0/24"),)),),
    7,
)
BANS = PlainBans(4, 24, Direction.BOTH, bytes([192, 0, 2, 0]), bytes(7) + b"\1", b"0" * 26)
REQUESTS = [
    messages.Apply((DECISION,), (BANS,)),
    messages.Revoke(()),
    messages.Replace((DECISION, DECISION)),
    messages.IsDisturbed(),
    messages.Protect((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/10"))),
    messages.LoadList("feed", ((4, 32, bytes(range(8))),), source=True, destination=False),
    messages.DropList("feed"),
    messages.Lists(),
    messages.Counters(),
    messages.ApplyRules(RULES, 60.0),
    messages.ConfirmRules(),
    messages.RollBackRules(),
    messages.RuleHits(),
    messages.Trial(),
    messages.Panic(),
    messages.Ipset(messages.Work.REVOKE, True, False, (DECISION,), (BANS,)),
    messages.IpsetIsDisturbed(),
]


def body(request: messages.Request) -> bytes:
    return messages.request_frame(request)[4:]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.ask)
def test_a_request_arrives_as_it_was_sent(request_: messages.Request) -> None:
    assert messages.read_request(body(request_)) == request_


def test_every_request_is_among_the_tests() -> None:
    assert {type(each) for each in REQUESTS} == set(typing.get_args(messages.Request))


def test_a_bare_decision_tells_nobody_why() -> None:
    told = body(messages.Apply((messages.bare(DECISION),)))
    assert b"because" not in told
    again = messages.read_request(told)
    assert isinstance(again, messages.Apply)
    assert again.decisions[0].rate == DECISION.rate


def changed(path: tuple[int | str, ...], value: object) -> bytes:
    """Return the request to apply a decision, with one thing in it changed."""
    document = {"ask": "apply", "decisions": [encode(DECISION)], "bans": [encode(BANS)]}
    at: typing.Any = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "JSON object"),
        (b"{}", "nothing that can be asked"),
        (b'{"ask":"reboot"}', "'reboot'"),
        (b'{"ask":["panic"]}', "nothing that can be asked"),
        (b'{"ask":"panic","ask":"panic"}', "stands twice"),
        (b'{"ask":"panic","why":""}', "no field 'why'"),
        (b'{"ask":"apply"}', "lacks the field 'decisions'"),
        (b'{"ask":"apply_rules","rules":[],"confirm":NaN}', "no number"),
        (b'{"ask":"apply_rules","rules":[],"confirm":1e999}', "PacketRules"),
        (b'{"ask":"drop_list","name":7}', "must be text"),
        (b'{"ask":"drop_list","name":"a\\u0000b"}', "printable"),
        (b'{"ask":"protect","networks":["10.0.0.1/8"]}', "must be a network"),
        (b'{"ask":"protect","networks":"10.0.0.0/8"}', "must be a list"),
        (b"[" * 200_000, "not JSON"),
        (b'{"ask":"x' + b"9" * 10_000 + b'"}', "nothing that can be asked"),
        (changed(("decisions", 0), []), "the 17 fields of a Decision"),
        (changed(("decisions", 0, 0), "192.0.2.1"), "Decision.target"),
        (changed(("decisions", 0, 0, 0), "person"), "Target.kind: must be one of ip"),
        (changed(("decisions", 0, 1), "shutdown"), "Decision.action"),
        (changed(("decisions", 0, 3), True), "Decision.start: must be a whole number"),
        (changed(("decisions", 0, 3), 1.5), "Decision.start"),
        (changed(("decisions", 0, 4), 1 << 64), "Decision.until"),
        (changed(("decisions", 0, 10, 1), [[1]]), "Pattern.ports: must be a list of 2"),
        (changed(("decisions", 0, 11), [1]), "the 4 fields of a Rate"),
        (changed(("decisions", 0, 13), 0), "Decision.dry_run: must be true or false"),
    ],
)
def test_anything_else_is_refused_with_the_place(wrong: bytes, says: str) -> None:
    with pytest.raises(MessageError) as refused:
        messages.read_request(wrong)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 500


@given(st.binary(max_size=400))
def test_octets_are_a_request_or_an_error(octets: bytes) -> None:
    with pytest.raises(MessageError):
        messages.read_request(octets)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(
    st.sampled_from(REQUESTS),
    st.lists(
        st.tuples(st.sampled_from(["ask", "decisions", "rules", "confirm", "name", "x"]), JSON)
    ),
)
def test_a_changed_request_is_a_request_or_an_error(
    request_: messages.Request, changes: list[tuple[str, object]]
) -> None:
    document = json.loads(body(request_)) | dict(changes)
    try:
        read = messages.read_request(json.dumps(document).encode())
    except MessageError:
        return
    assert dataclasses.is_dataclass(read)
