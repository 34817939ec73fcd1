"""Patterns of STIX 2.1, read and written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.intel.stix import (
    PatternError,
    bundle,
    identity,
    indicator_object,
    pattern_of,
    values_of,
)
from phage.records.indicator import Indicator, IndicatorKind

NETWORK, DOMAIN = IndicatorKind.NETWORK, IndicatorKind.DOMAIN


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.1']", [(NETWORK, "198.51.100.1")]),
        ("[ipv4-addr:value='198.51.100.1/32']", [(NETWORK, "198.51.100.1/32")]),
        (
            "[ipv4-addr:value IN ('198.51.100.1', '198.51.100.2')]",
            [(NETWORK, "198.51.100.1"), (NETWORK, "198.51.100.2")],
        ),
        (
            "[ipv6-addr:value = '2001:db8::1' OR domain-name:value = 'bad.example']",
            [(NETWORK, "2001:db8::1"), (DOMAIN, "bad.example")],
        ),
        (
            "[ domain-name:value = 'a.example' ] OR [url:value = 'http://a.example/it\\'s']",
            [(DOMAIN, "a.example"), (IndicatorKind.URL, "http://a.example/it's")],
        ),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", [(NETWORK, "198.51.100.0/24")]),
        ("[file:hashes.'SHA-256' = 'ab']", [(IndicatorKind.HASH, "ab")]),
        ("[file:hashes.MD5 = 'ab']", [(IndicatorKind.HASH, "ab")]),
        ("[network-traffic:dst_ref.value = '198.51.100.1']", [(NETWORK, "198.51.100.1")]),
    ],
)
def test_what_lists_of_indicators_consist_of(
    pattern: str, expected: list[tuple[IndicatorKind, str]]
) -> None:
    assert values_of(pattern) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "[]",
        "ipv4-addr:value = '198.51.100.1'",
        "[ipv4-addr:value = '198.51.100.1'",
        "[ipv4-addr:value != '198.51.100.1']",
        "[ipv4-addr:value = '198.51.100.1' AND network-traffic:dst_port = 80]",
        "[ipv4-addr:value = '198.51.100.1'] FOLLOWEDBY [domain-name:value = 'a.example']",
        "[ipv4-addr:value = '198.51.100.1'] WITHIN 5 SECONDS",
        "[domain-name:value LIKE '%.example']",
        "[domain-name:value ISSUBSET 'a.example']",
        "[process:name = 'x']",
        "[NOT ipv4-addr:value = '198.51.100.1']",
        "[ipv4-addr:value = 7]",
        "[ipv4-addr:value = 'x" + "a" * 200_000 + "']",
    ],
)
def test_what_asks_for_more_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        values_of(pattern)


@given(st.text(max_size=60) | st.text("[]()='!,ORINA v4addr:-value.", max_size=60))
def test_any_text_is_read_or_refused(pattern: str) -> None:
    with contextlib.suppress(PatternError):
        values_of(pattern)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (NETWORK, "198.51.100.0/24"),
        (NETWORK, "2001:db8::1"),
        (DOMAIN, "bad.example"),
        (IndicatorKind.URL, "http://a.example/it's\\here"),
        (IndicatorKind.HASH, "a" * 64),
        (IndicatorKind.CERTIFICATE, "b" * 40),
    ],
)
def test_what_is_written_is_read(kind: IndicatorKind, value: str) -> None:
    assert values_of(pattern_of(kind, value)) == [(kind, value)]


def test_an_indicator_as_an_object() -> None:
    who = identity("phage")["id"]
    one = Indicator(NETWORK, "198.51.100.1", "phage", 80, 10**18, 2 * 10**18, 3 * 10**18, ("t",))
    made = indicator_object(one, who)
    assert made is not None
    assert made["valid_from"] < made["modified"] < made["valid_until"]
    assert made["id"] == (indicator_object(one, who) or {})["id"], "the same is said the same"
    assert indicator_object(Indicator(IndicatorKind.JA4, "x", "phage"), who) is None
    assert bundle([made])["objects"] == [made]
