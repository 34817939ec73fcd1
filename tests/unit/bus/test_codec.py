"""Records survive the way over a bus; what was forged is refused."""

from __future__ import annotations

from dataclasses import fields

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from phage.bus.codec import MessageError, decode, encode
from phage.records import Window
from phage.records.columns import FLOW, VOLUME
from phage.testing.records import EPOCH, make_decision, make_finding


def test_records_come_as_they_went() -> None:
    for record in (None, 5, 1.5, "x", ("a", 1), ["b", b"\x00\xff"], {"k": (1, 2)}):
        assert decode(encode(record)) == record
    for made in (make_finding(1), make_decision(1)):
        assert decode(encode(made)) == made


def test_a_window_comes_with_its_columns() -> None:
    flows = np.zeros(3, dtype=FLOW)
    flows["id"] = [1, 2, 3]
    volumes = np.zeros(2, dtype=VOLUME)
    window = Window(EPOCH, EPOCH + 1, 7, flows=flows, volumes=volumes, counters={"packets": 7})
    other = decode(encode(window))
    assert isinstance(other, Window)
    for field in fields(Window):
        mine, theirs = getattr(window, field.name), getattr(other, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype
            assert mine.tobytes() == theirs.tobytes()
        else:
            assert mine == theirs


def test_what_is_no_record_is_not_sent() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(object())


@pytest.mark.parametrize(
    "text",
    [
        '{"t":"Popen","v":{}}',
        '{"t":"Severity","v":{}}',
        '{"e":"Finding","v":1}',
        '{"t":"Window","v":{"nothing":1}}',
        '{"t":"Window","v":[]}',
        '{"t":"Window","v":7}',
        '{"c":"FLOW","v":9}',
        "[" * 100_000,
    ],
)
def test_forged_messages_are_refused(text: str) -> None:
    with pytest.raises(MessageError):
        decode(b"pb1" + len(text).to_bytes(4, "little") + text.encode())


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_octets_are_a_record_or_refused(tail: bytes, cut: int) -> None:
    for octets in (tail, b"pb1" + tail, encode(make_finding(1))[:cut] + tail):
        try:
            decode(octets)
        except MessageError:
            continue
