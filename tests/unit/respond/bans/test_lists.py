from __future__ import annotations

import ipaddress
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.errors import PhageError
from phage.respond.bans import lists
from phage.respond.bans.lists import MAX_LENGTHS, arranged, difference, from_text
from phage.respond.netlink.bulk import octets

if TYPE_CHECKING:
    from collections.abc import Iterable

networks = st.lists(
    st.one_of(
        st.tuples(st.integers(0, (1 << 32) - 1), st.integers(10, 32)).map(
            lambda pair: ipaddress.ip_network(pair, strict=False)
        ),
        st.tuples(st.integers(0, (1 << 128) - 1), st.integers(110, 128)).map(
            lambda pair: ipaddress.ip_network((pair[0] & 0xFFFFF, pair[1]), strict=False)
        )
        | st.integers(0, 1 << 20).map(lambda number: ipaddress.IPv6Network((number, 128))),
    ),
    max_size=30,
)


def collapsed(listed: Iterable[Any]) -> list[Any]:
    every = list(listed)
    return [
        each
        for version in (4, 6)
        for each in ipaddress.collapse_addresses([n for n in every if n.version == version])
    ]


def covered(sets: lists.Sets) -> list[Any]:
    return collapsed(
        ipaddress.ip_network((row.tobytes(), length))
        for (version, length), keys in sets.items()
        for row in octets(version, keys)
    )


@given(networks)
def test_an_arranged_list_covers_the_same(listed: list[ipaddress.IPv4Network]) -> None:
    sets = arranged(from_text(map(str, listed)))
    assert covered(sets) == collapsed(listed)
    for version in (4, 6):
        assert sum(kind == version for kind, _ in sets) <= MAX_LENGTHS
    for keys in sets.values():
        assert len(np.unique(keys)) == len(keys)


def test_a_list_of_all_lengths_is_cut_to_few() -> None:
    chance = random.Random(3)
    listed = [
        str(ipaddress.ip_network((chance.getrandbits(32), length), strict=False))
        for length in range(12, 33)
        for _ in range(50)
    ]
    sets = arranged(from_text(listed))
    assert len(sets) <= MAX_LENGTHS
    # The lengths that it has are kept where that costs little.
    again = arranged(from_text([*listed, "198.51.100.7"]), sets)
    assert set(again) == set(sets)


def test_what_would_take_too_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [f"10.{number}.0.0/24" for number in range(100)]
    monkeypatch.setattr(lists, "MAX_KEYS", 99)
    with pytest.raises(PhageError, match="leave out short prefixes"):
        arranged(from_text(listed))


@pytest.mark.parametrize(
    "line", ["1.2.3", "1.2.3.4.5", "300.1.1.1", "10.0.0.1/8", "x", "::g", "1.2.3.4/33"]
)
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(PhageError) as refused:
        from_text(["192.0.2.1", line])
    assert line.partition("/")[0] in str(refused.value)


@given(st.lists(st.integers(0, 300), unique=True), st.lists(st.integers(0, 300), unique=True))
def test_difference(old: list[int], new: list[int]) -> None:
    for dtype in (np.uint32, "S16"):
        before, after = (
            np.array(sorted(each), dtype=np.uint32)
            if dtype is np.uint32
            else lists.from_octets(6, b"".join(n.to_bytes(16, "big") for n in each))
            for each in (old, new)
        )
        come, gone = difference(before, after)
        assert np.array_equal(come, np.setdiff1d(after, before))
        assert np.array_equal(gone, np.setdiff1d(before, after))


@pytest.mark.parametrize(
    "keys",
    [
        [(5, 32, bytes(4))],
        [(4, 0, bytes(4))],
        [(4, 33, bytes(4))],
        [(4, 32, bytes(5))],
        [(4, 24, bytes([10, 0, 0, 1]))],
        [(4, 32, bytes(4)), (4, 32, bytes(4))],
    ],
)
def test_octets_that_are_no_list_are_refused(keys: list[tuple[int, int, bytes]]) -> None:
    with pytest.raises(PhageError):
        lists.from_keys(keys)
