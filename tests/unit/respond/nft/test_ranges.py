"""Networks as ranges."""

from __future__ import annotations

import ipaddress
import itertools

from hypothesis import given
from hypothesis import strategies as st

from phage.respond.nft.ranges import addresses_text, is_everything, merged, of_networks

NETWORKS = st.lists(
    st.builds(
        lambda address, bits: ipaddress.IPv4Network((address & 0xFF0000FF, bits), strict=False),
        st.integers(0, (1 << 32) - 1),
        st.integers(0, 32),
    ),
    max_size=20,
)


@given(NETWORKS)
def test_ranges_hold_the_addresses_of_the_networks(
    networks: list[ipaddress.IPv4Network],
) -> None:
    ranges = of_networks(networks, 4)
    collapsed = list(ipaddress.collapse_addresses(networks))
    assert sum(last - first + 1 for first, last in ranges) == sum(
        network.num_addresses for network in collapsed
    )
    assert all(
        any(first <= int(each.network_address) and int(each.broadcast_address) <= last
            for first, last in ranges)
        for each in collapsed
    )  # fmt: skip
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(ranges))


@given(NETWORKS)
def test_the_text_of_ranges_is_what_it_says(networks: list[ipaddress.IPv4Network]) -> None:
    ranges = of_networks(networks, 4)
    read = []
    for text in addresses_text(ranges, 4):
        first, _, last = text.partition("-")
        if last:
            read.append((int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last))))
        else:
            network = ipaddress.IPv4Network(text)
            read.append((int(network.network_address), int(network.broadcast_address)))
    assert tuple(read) == ranges


def test_only_networks_of_the_version_count() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::/0"))
    assert of_networks(networks, 4) == ((0x0A000000, 0x0AFFFFFF),)
    assert is_everything(of_networks(networks, 6), 6)
    assert not is_everything((), 4)


def test_ranges_that_touch_are_joined() -> None:
    assert merged([(5, 9), (1, 4), (11, 11), (7, 8)]) == ((1, 9), (11, 11))
