"""Networks to a set of prefixes, and flows that meet it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.collect.packets import EngineSettings
from phage.daemon.benchmark import traffic
from phage.intel.index import prefix_set, prefix_set_of_columns
from phage.native import PrefixSet
from phage.records.address import format_address, parse_address

if TYPE_CHECKING:
    from pathlib import Path


def test_the_longest_prefix_counts() -> None:
    networks = [
        (ip_network("198.51.100.0/24"), 1),
        (ip_network("198.51.100.64/26"), 2),
        (ip_network("2001:db8::/32"), 3),
        (ip_network("2001:db8:1::/48"), 4),
    ]
    built = prefix_set(networks)
    asked = {
        "198.51.100.1": 1,
        "198.51.100.65": 2,
        "198.51.101.1": None,
        "2001:db8::1": 3,
        "2001:db8:1::1": 4,
        "2001:db9::1": None,
    }
    for address, value in asked.items():
        assert built.lookup(parse_address(address)) == value


def test_columns_make_the_same_set() -> None:
    address = np.frombuffer(parse_address("192.0.2.0"), np.uint8)[None]
    built = prefix_set_of_columns(address, np.array([120], np.uint8), np.array([7], np.uint32))
    assert built.lookup(parse_address("192.0.2.200")) == 7


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="16 octets of address"):
        PrefixSet(bytes(16), bytes(2), bytes(4))


def test_flows_that_meet_the_set_are_in_the_window(tmp_path: Path) -> None:
    path = tmp_path / "busy.pcap"
    frames = traffic.busy_network(20_000)
    traffic.write_pcap(path, frames)
    # Half of the servers' addresses are reported.
    reported = sorted({int(address) for address in frames.src if address >> 24 >= 0x2D})[::2]
    networks = [(ip_network((address, 32)), number) for number, address in enumerate(reported)]
    collector = PcapFileCollector(EngineSettings(train=1000), [str(path)])
    collector.open()
    collector.match(prefix_set(networks))
    met, expected = set(), set()
    for window in collector.windows():
        met |= {row["flow"] for row in window.matches}
        for row in window.matches:
            end = "dst" if row["end"] else "src"
            wanted = networks[row["value"]][0].network_address
            assert format_address(row[end].tobytes()) == str(wanted)
        for row in window.flows:
            ends = {int.from_bytes(row[end].tobytes()[12:]) for end in ("src", "dst")}
            if ends & set(reported):
                expected.add(row["id"])
    assert met == expected
    assert collector.counters()["matches_omitted"] == 0
