from __future__ import annotations

import ipaddress

import pytest

from phage.devices.discovery.ports import TOP100, parse_ports, ranges
from phage.devices.discovery.rtnetlink import Link, OwnAddress
from phage.devices.discovery.targets import Wire, addresses_of, default_targets, parse_targets
from phage.errors import ScanError

HOME = [ipaddress.ip_network("192.168.0.0/16"), ipaddress.ip_network("fd00::/8")]


def wire(*addresses: str) -> Wire:
    own = [ipaddress.ip_interface(each) for each in addresses]
    link = Link("eth0", 2, bytes(6), is_up=True, is_loopback=False)
    return Wire(link, tuple(OwnAddress(each.ip, each.network.prefixlen, 2) for each in own))


def test_networks_of_our_interfaces_at_home() -> None:
    here = [wire("192.168.1.7/24", "8.8.8.1/24", "fd00::1/64", "fe80::1/64")]
    assert [str(each) for each in default_targets(here, HOME)] == ["192.168.1.0/24", "fd00::/64"]


def test_a_network_too_large_is_scanned_around_us() -> None:
    ten = [ipaddress.ip_network("10.0.0.0/8")]
    assert [str(each) for each in default_targets([wire("10.7.1.2/8")], ten)] == ["10.7.0.0/16"]


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "0.0.0.0/0", "nonsense", "192.168.1.0/99", "2001:db8::1"]
)
def test_what_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ScanError):
        parse_targets([text], [wire("192.168.1.7/24")], HOME)


def test_an_address_on_our_wire_is_ours() -> None:
    here = [wire("203.0.113.5/30")]
    assert parse_targets(["203.0.113.6"], here, HOME) == [ipaddress.ip_network("203.0.113.6")]


def test_addresses() -> None:
    assert len(list(addresses_of(ipaddress.ip_network("192.168.1.0/24")))) == 254
    assert len(list(addresses_of(ipaddress.ip_network("192.168.1.0/31")))) == 2
    assert list(addresses_of(ipaddress.ip_network("fd00::/64"))) == []


def test_ports() -> None:
    assert len(set(TOP100)) == len(TOP100) == 100
    assert parse_ports("top100") == TOP100
    assert len(parse_ports("all")) == 65_535
    assert parse_ports("none") == ()
    assert parse_ports("22, 80,8000-8002") == (22, 80, 8000, 8001, 8002)
    assert ranges((1, 2, 3, 7)) == ((1, 3), (7, 7))
    for wrong in ("x", "0", "70000", "5-", "1,,2"):
        with pytest.raises(ScanError):
            parse_ports(wrong)
