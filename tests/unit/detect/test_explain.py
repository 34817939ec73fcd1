"""Sentences are short, plain and without what a hostile host put into names."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from phage.detect import explain
from phage.detect.detector import Knowledge
from phage.records import Feature, Peer
from phage.records.address import parse_address

SECOND = 1_000_000_000


def test_numbers_are_as_a_person_reads_them() -> None:
    values = (0, 1, 254, 1234567, 0.5, 3.14159, 0.000012, 99.95, -4.2, math.nan, math.inf)
    shown = [explain.number(value) for value in values]
    assert shown == [
        "0", "1", "254", "1,234,567", "0.5", "3.14", "0", "100", "-4.2", "unknown", "unknown",
    ]  # fmt: skip


def test_times_and_amounts_have_the_unit_that_suits_them() -> None:
    spans = (
        1,
        250_000_000,
        9 * SECOND,
        90 * SECOND,
        200 * SECOND,
        7200 * SECOND,
        3 * 86_400 * SECOND,
    )
    assert [explain.duration(span) for span in spans] == [
        "1 ms", "250 ms", "9 s", "90 s", "3.3 min", "2 h", "3 days",
    ]  # fmt: skip
    assert [explain.octets(count) for count in (1, 812, 12_000, 3_400_000)] == [
        "1 byte", "812 bytes", "12 kB", "3.4 MB",
    ]  # fmt: skip


def test_labels_name_device_mac_and_address() -> None:
    knowledge = Knowledge(names={"00:1f:22:33:44:55": "Camera\x1b[31m"})
    subject = explain.subject_of(parse_address("192.168.1.20"), 0x001F22334455, home=True)
    assert explain.label(subject, knowledge) == "Camera?[31m 00:1f:22:33:44:55 (192.168.1.20)"
    away = explain.subject_of(parse_address("203.0.113.7"), 0x001F22334455, home=False)
    assert explain.label(away, knowledge) == "203.0.113.7"
    assert explain.peer_label(Peer("192.168.1.20", "00:1f:22:33:44:55"), knowledge).endswith(
        "(192.168.1.20)"
    )
    assert explain.label(explain.subject_named("", ""), knowledge) == "An unknown host"


def test_lists_and_ranges() -> None:
    assert explain.listing(["a", "b", "c"]) == "a, b and c"
    assert explain.listing(["a", "b", "c", "d"], 40) == "a, b, c and 37 more"
    assert explain.listing([]) == "nothing"
    assert explain.expected(0, 3, "packets/s") == "0 to 3 packets/s"
    assert explain.expected(2, 2, "1") == "2"
    feature = Feature("rate", 900, 0, 12, "packets/s", 0.5, "packets sent")
    assert explain.feature_words(feature) == "packets sent 900 packets/s (normal 0 to 12)"


@given(st.lists(st.text(max_size=500), max_size=6))
def test_any_parts_become_one_short_sentence(parts: list[str]) -> None:
    text = explain.sentence(parts)
    assert len(text) < 300
    assert text.isprintable()
    assert text.endswith(".")
