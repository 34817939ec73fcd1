"""Lists to networks, and networks to what may be used of them."""

from __future__ import annotations

import gzip
import ipaddress
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.intel.feed import FeedError
from phage.intel.guard import Guard, overlapping
from phage.intel.networks import empty, joined, parse_networks
from phage.intel.plain import harvest_of
from phage.intel.text import decoded, first_fields
from phage.intel.wellknown import SPECIAL, WELL_KNOWN


def test_addresses_networks_and_ranges_are_read() -> None:
    networks = parse_networks(
        ("203.0.114.7", "203.0.114.9/24", "2a00::1", "2a00::1/32", "198.51.101.0-198.51.101.2")
    )
    assert networks.texts() == [
        "198.51.101.0/31",
        "198.51.101.2",
        "203.0.114.0/24",
        "203.0.114.7",
        "2a00::/32",
        "2a00::1",
    ]
    assert networks.is_v4.tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        "1.2.3",
        "1.2.3.04",
        "0x7f.1",
        "1.2.3.4/33",
        "1.2.3.4/-1",
        "1.2.3.4/",
        "::1/129",
        "x",
        "1.2.3.4\0",
    ],
)
def test_what_is_no_network_is_counted(wrong: str) -> None:
    networks = parse_networks((wrong, "1.2.3.4"))
    assert networks.texts() == ["1.2.3.4"]
    assert (networks.rejected, networks.samples) == (1, (wrong,))


def test_comments_first_fields_and_encodings() -> None:
    text = "# head\r\n1.2.3.4\t12\n\n5.6.7.8 ; SBL1\n"
    assert first_fields(text) == ["1.2.3.4", "5.6.7.8"]
    for body in (text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode()):
        assert first_fields(decoded(body)) == ["1.2.3.4", "5.6.7.8"]


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>", b" \n<HTML>", b"<!-- x --><html>"])
def test_a_web_page_is_no_list(page: bytes) -> None:
    with pytest.raises(FeedError, match="web page"):
        harvest_of(page)


def test_prose_is_no_list() -> None:
    with pytest.raises(FeedError, match="name no network"):
        harvest_of(b"Sorry, you are not allowed here\n" * 20)


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    try:
        found = harvest_of(body)
    except FeedError:
        return
    assert len(found) <= body.count(b"\n") + body.count(b"\r") + 300


IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
MAPPED = ipaddress.ip_network("::/95")


@st.composite
def drawn_networks(draw: st.DrawFn, most: int = 8) -> list[IPNetwork]:
    """Networks, of IPv6 up to /64: what is longer is compared as that."""
    found: list[IPNetwork] = []
    for address in draw(st.lists(st.ip_addresses(), max_size=most)):
        length = draw(st.integers(0, min(address.max_prefixlen, 64)))
        network = ipaddress.ip_network((str(address), length), strict=False)
        if network.version == 4 or not network.overlaps(MAPPED):
            found.append(network)
    return found


@given(drawn_networks(), drawn_networks(4))
def test_overlaps_are_those_that_ipaddress_tells(
    listed: list[IPNetwork], ranges: list[IPNetwork]
) -> None:
    networks = parse_networks([str(each) for each in listed])
    found = networks.select(overlapping(networks, map(str, ranges))).texts()
    expected = {
        str(each).removesuffix("/32") if each.version == 4 else str(each)
        for each in listed
        for other in ranges
        if each.version == other.version and each.overlaps(other)
    }
    assert set(found) == expected


def test_nothing_joined_is_nothing() -> None:
    assert len(joined([])) == 0
    assert len(joined([empty(), parse_networks(("1.2.3.4", "1.2.3.4"))])) == 1


def test_the_world_and_short_prefixes_are_left_out() -> None:
    verdict = Guard().judge(
        parse_networks(("0.0.0.0/0", "45.0.0.0/7", "::/0", "2a00::/12", "45.1.1.1"))
    )
    assert verdict.networks.texts() == ["45.1.1.1"]
    assert verdict.left_out == {"too short a prefix": 4}


def test_a_stray_private_address_is_left_out_and_many_hold_the_feed_back() -> None:
    good = [f"45.1.{n}.1" for n in range(100)]
    stray = Guard().judge(parse_networks([*good, "10.1.2.3"]))
    assert not stray.held
    assert stray.left_out == {"private or not assigned": 1}
    many = [f"10.0.0.{n}" for n in range(10)]
    held = Guard().judge(parse_networks([*good, *many]))
    assert "10 private or unassigned" in held.held
    assert not Guard(tolerant=True).judge(parse_networks([*good, *many])).held


def test_our_own_address_holds_the_feed_back() -> None:
    verdict = Guard(own=("45.9.9.0/28", "192.168.0.0/16")).judge(
        parse_networks(("45.9.9.3", "45.1.1.1"))
    )
    assert verdict.held == "it lists our own address 45.9.9.3"


def test_an_empty_or_shrunken_feed_is_held_back() -> None:
    assert Guard().judge(empty(), before=10).held == "it is empty"
    assert not Guard().judge(empty()).held
    few = parse_networks([f"45.1.1.{n}" for n in range(9)])
    assert Guard().judge(few, before=100).held == "it shrank from 100 entries to 9"
    assert not Guard().judge(few, before=50).held
    assert not Guard().judge(few, before=100, others=1).held


def test_well_known_services_are_left_out_and_shown() -> None:
    verdict = Guard().judge(parse_networks(("8.8.8.8", "1.1.1.0/24", "66.249.66.1", "45.1.1.1")))
    assert verdict.networks.texts() == ["45.1.1.1"]
    assert verdict.left_out == {"public resolver": 2, "search engine": 1}
    assert verdict.examples["search engine"] == ["66.249.66.1"]


@pytest.mark.peer
def test_real_lists_are_read_whole() -> None:
    place = os.environ.get("PHAGE_PEER_DATA", "")
    if not place:
        pytest.skip("PHAGE_PEER_DATA is not set")
    files = sorted(Path(place, "feeds").glob("*/*.txt*"))
    lines = 0
    for file in files:
        raw = file.read_bytes()
        found = harvest_of(gzip.decompress(raw) if file.suffix == ".gz" else raw)
        assert found.rejected == 0
        verdict = Guard().judge(found.networks)
        assert not verdict.held, file
        lines += len(found)
    assert lines > 1_000_000


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("2001:503:ba3e::2:30/128", "root name server"),
        ("2801:1b8:10::b/128", "root name server"),
        ("2620:119:53::53/128", "public resolver"),
        ("146.75.1.1/32", "content network"),
        ("140.248.130.0/24", "content network"),
        ("2a01:111:f403::/64", "mail sender"),
    ],
)
def test_what_everybody_uses_is_left_out(network: str, reason: str) -> None:
    verdict = Guard().judge(parse_networks([network, "45.1.1.0/24"]))
    assert dict(verdict.left_out) == {reason: 1}


def test_what_is_well_known_is_a_network_and_listed_once() -> None:
    listed = [each for networks in (SPECIAL, *WELL_KNOWN.values()) for each in networks]
    assert len({ipaddress.ip_network(each) for each in listed}) == len(listed)
