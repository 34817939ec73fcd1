from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phage.respond.netlink import bulk, messages
from phage.respond.netlink.tables import Table, element


def test_attributes_are_padded_and_read_back() -> None:
    encoded = messages.text(1, "phage") + messages.nest(3, messages.be32(1, 7)) + messages.u8(2, 9)
    assert len(encoded) % 4 == 0
    read = messages.attributes(encoded)
    assert messages.string(read[1]) == "phage"
    assert messages.attributes(read[3]) == {1: b"\0\0\0\x07"}
    assert read[2] == b"\x09"


@given(st.binary(max_size=200))
def test_any_octets_are_taken_apart_without_a_fault(octets: bytes) -> None:
    messages.attributes(octets)
    list(messages.answers(octets))


def test_an_element_is_what_the_kernel_reads() -> None:
    # nla_nest(LIST_ELEM) { nla_nest(KEY) { DATA_VALUE }, TIMEOUT in ms, network order }
    assert element(bytes([192, 0, 2, 1]), 1000).hex() == (
        "1c000180" "0c000180" "08000100" "c0000201" "0c000400" "00000000000003e8"
    )  # fmt: skip


@given(st.sampled_from([4, 16]), st.integers(0, 9000))
def test_bulk_elements_are_the_same_as_single_ones(octets: int, count: int) -> None:
    keys = np.random.default_rng(1).integers(0, 256, (count, octets), dtype=np.uint8)
    runs = list(bulk.elements(keys))
    assert b"".join(runs) == b"".join(element(row.tobytes()) for row in keys)
    assert all(len(run) <= messages.MAX_ATTRIBUTE - 4 for run in runs)
    assert len(bulk.additions(Table("t"), "s", keys)) == len(runs)
