"""Who is attacked is told exactly: hosts where a few are, else the prefix that they share."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from phage.detect.volumes.targets import Target, beyond, outermost, parts_of, shortened, who
from phage.records.watched import GROUP

MAPPED = 0xFFFF << 32


def number(address: str) -> int:
    return MAPPED | int(ipaddress.IPv4Address(address))


def prefix(text: str) -> Target:
    network = ipaddress.IPv4Network(text)
    return shortened(number(str(network.network_address)), network.prefixlen + 96)


def test_a_prefix_is_written_as_people_write_it() -> None:
    assert prefix("198.51.100.0/24").text == "198.51.100.0/24"
    assert shortened(number("198.51.100.7"), 128).text == "198.51.100.7/32"
    assert shortened(int(ipaddress.IPv6Address("2001:db8::1")), 64).text == "2001:db8::/64"


def test_a_host_that_explains_its_prefixes_is_the_target() -> None:
    host, around = prefix("198.51.100.7/32"), prefix("198.51.96.0/20")
    excess = {around: 10_000.0, prefix("198.51.100.0/24"): 9900.0, host: 9000.0}
    assert who(around, excess, dict) == [host]


def test_two_hosts_are_two_targets() -> None:
    one, two = prefix("198.51.100.7/32"), prefix("198.51.111.9/32")
    around = prefix("198.51.96.0/20")
    excess = {around: 10_000.0, one: 5000.0, two: 4500.0}
    assert set(who(around, excess, dict)) == {one, two}


def test_many_hosts_are_their_prefix() -> None:
    around = prefix("198.51.96.0/20")
    weights = {number(f"198.51.100.{host}"): 100.0 for host in range(64, 128)}
    weights |= {number(f"198.51.97.{host}"): 1.0 for host in range(100)}
    [target] = who(around, {around: 6500.0}, lambda: weights)
    assert target.text == "198.51.100.64/26"


def test_what_was_there_before_is_no_part_of_it() -> None:
    now = {1: 500.0, 2: 30.0}
    assert beyond(now, {2: 300.0, 3: 100.0}, 0.1) == {1: 500.0, 2: 0.0, 3: -10.0}


def test_targets_within_others_are_left_out() -> None:
    wide, host = prefix("198.51.96.0/20"), prefix("198.51.100.7/32")
    other = prefix("203.0.113.9/32")
    assert set(outermost([host, other, wide, host])) == {wide, other}


PREFIXES = st.builds(shortened, st.integers(0, 31).map(lambda n: n << 123), st.integers(0, 7))
GROUPS = st.builds(
    lambda networks: Target(
        bytes(16), GROUP, "group", tuple(each.prefixes[0] for each in networks)
    ),
    st.lists(PREFIXES, min_size=1, max_size=3),
)


@given(st.lists(PREFIXES, max_size=12), st.lists(GROUPS, max_size=1))
def test_who_is_in_whom_is_as_each_compared_with_each(
    prefixes: list[Target], groups: list[Target]
) -> None:
    targets = {*prefixes, *groups}
    for target in targets:
        held = [other for other in targets if other != target and other.holds(target)]
        if not held:
            assert target in outermost(targets)
    wholes = outermost(targets)
    for target in targets:
        assert any(whole.holds(target) for whole in wholes)
    assert parts_of(wholes, targets).keys() == set(wholes)
    for whole, parts in parts_of(wholes, targets).items():
        assert len(parts) == len(set(parts))
        assert set(parts) == {target for target in targets if whole.holds(target)}


@given(st.integers(0, 2**128 - 1), st.integers(0, 128), st.integers(0, 128))
def test_a_longer_prefix_of_an_address_is_in_the_shorter_one(
    address: int, one: int, two: int
) -> None:
    short, long = sorted((one, two))
    assert shortened(address, short).holds(shortened(address, long))
    assert short == long or not shortened(address, long).holds(shortened(address, short))
