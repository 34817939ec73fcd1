"""Addresses to text and back."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.records.address import (
    format_address,
    format_mac,
    is_never_asked,
    parse_address,
    parse_mac,
)


@given(st.ip_addresses())
def test_an_address_comes_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    raw = parse_address(str(address))
    assert len(raw) == 16
    if int(address) or address.version == 4:
        assert ipaddress.ip_address(format_address(raw)) in {
            address,
            getattr(address, "ipv4_mapped", None),
        }


def test_no_address_is_no_text() -> None:
    assert format_address(bytes(16)) == ""
    assert format_mac(0) == ""


@given(st.integers(1, 2**48 - 1))
def test_a_mac_comes_back(mac: int) -> None:
    assert parse_mac(format_mac(mac)) == mac


@pytest.mark.parametrize("text", ["", "00:11", "00:11:22:33:44:zz", "001:1:2:3:4:5"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mac(text)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "0.0.0.1", "::", "224.0.0.1",
     "fd00:ec2::254", "255.255.255.255"],
)  # fmt: skip
def test_where_no_request_is_sent(address: str) -> None:
    assert is_never_asked(address)


@pytest.mark.parametrize("address", ["192.168.1.1", "127.0.0.1", "::1", "fd00::1", "8.8.8.8", "x"])
def test_where_requests_may_be_sent(address: str) -> None:
    assert not is_never_asked(address)
