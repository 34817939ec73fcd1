from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    ReceiptState,
    Target,
    TargetKind,
)
from phage.respond.bans.members import FOREVER
from phage.respond.bans.order import Order
from phage.respond.bans.plain import Batch, PlainBans, is_plain, pack, receipts

GOOD = PlainBans(4, 24, Direction.FROM, bytes([192, 0, 2, 0]), bytes(8), b"0" * 26)


def ban(value: str, number: int = 0, **other: object) -> Decision:
    kind = TargetKind.PREFIX if "/" in value else TargetKind.IP
    changed = {"until": 0, "id": f"{number:026d}"} | other
    return Decision(Target(kind, value), Action.BAN, "why", 1, **changed)  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(
            st.ip_addresses(),
            st.integers(0, (1 << 63) - 1),
            st.sampled_from(list(Direction)),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_what_is_packed_is_what_was_decided(
    wanted: list[tuple[ipaddress.IPv4Address, int, Direction, bool]],
) -> None:
    decisions = []
    for number, (address, until, direction, is_plain_) in enumerate(wanted):
        pattern = Pattern() if is_plain_ else Pattern(fragments=True)
        more = {"until": until, "direction": direction, "pattern": pattern}
        decisions.append(ban(str(address), number, **more))
    batch, order = pack(decisions)
    assert sorted(order, key=lambda each: each.id) == decisions
    assert len(batch) == len(decisions)
    at = len(batch.decisions)
    assert list(batch.decisions) == order[:at]
    for bans in batch.bans:
        for key, until, id_ in zip(bans.each(), bans.each_end(), bans.each_id(), strict=True):
            each = order[at]
            assert (str(ipaddress.ip_address(key)), until, id_) == (
                each.target.value,
                each.until,
                each.id,
            )
            assert each.direction is bans.direction
            at += 1


@pytest.mark.parametrize(
    "other",
    [
        ban("192.0.2.1", id="01K"),
        ban("192.0.2.1", id="é" * 26),
        ban("192.0.2.01"),
        ban("192.0.2.1/24"),
        ban("0.0.0.0/0"),
        ban("fe80::1%eth0"),
        ban("192.0.2.1\0"),
        ban("nobody"),
        dataclasses.replace(ban("192.0.2.1"), action=Action.REJECT),
        dataclasses.replace(ban("192.0.2.1"), target=Target(TargetKind.MAC, "02:00:5e:00:00:01")),
        ban("192.0.2.1", pattern=Pattern(6)),
    ],
)
def test_anything_else_goes_the_general_way(other: Decision) -> None:
    assert not is_plain(other)
    assert pack([other]) == (Batch((other,)), [other])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 5}, "no prefix length 24 of IPv5"),
        ({"length": 0}, "no prefix length 0"),
        ({"length": 33}, "no prefix length 33"),
        ({"keys": bytes(8)}, "columns of one length"),
        ({"ends": bytes(7)}, "columns of one length"),
        ({"ids": b"0" * 25}, "columns of one length"),
        ({"ids": b"0" * 25 + b";"}, "letters and digits"),
        ({"ids": b"0" * 25 + b"\xff"}, "letters and digits"),
        ({"ends": b"\x80" + bytes(7)}, "63 bits"),
        ({"keys": bytes([192, 0, 2, 1])}, "beyond its prefix"),
    ],
)
def test_columns_from_another_process_are_checked(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]


def test_each_decision_has_its_receipt() -> None:
    batch, order = pack([ban("192.0.2.1", 1, until=5), ban("2001:db8::1", 2), ban("192.0.2.2", 3)])
    made = receipts("nftables", order, Order(batch, 5).runs, 5)
    assert {each.decision: (each.state, each.detail) for each in made} == {
        order[0].id: (ReceiptState.UNSUITED, "it has expired"),
        f"{3:026d}": (ReceiptState.APPLIED, "set ban4"),
        f"{2:026d}": (ReceiptState.APPLIED, "set ban6"),
    }


def test_two_decisions_about_one_address_both_hold_it() -> None:
    batch, _ = pack([ban("192.0.2.1", 1, until=7), ban("192.0.2.1", 2), ban("192.0.2.0/24", 3)])
    members = Order(batch, 5).all_members()
    found = {
        (place.name, key): until for place in members.places for key, until in members.each(place)
    }
    assert found == {
        ("ban4", bytes([192, 0, 2, 1])): FOREVER,
        ("net4_24", bytes([192, 0, 2, 0])): FOREVER,
    }


def test_halves_make_up_the_whole() -> None:
    decisions = [ban(f"192.0.2.{each}", each) for each in range(9)]
    decisions += [ban("2001:db8::1", 10), ban("192.0.2.1", 11, pattern=Pattern(6)), ban("x", 12)]
    batch, order = pack(decisions)

    def leaves(part: Batch) -> list[str]:
        if len(part) > 1:
            return [each for half in part.halves() for each in leaves(half)]
        return [each.id for each in part.decisions] + [i for b in part.bans for i in b.each_id()]

    assert leaves(batch) == [each.id for each in order]
