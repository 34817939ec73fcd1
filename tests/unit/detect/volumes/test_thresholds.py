"""Rates against thresholds: what exceeds one, and who is nearest to one."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.measures import PACKETS, SLOT, Rates
from phage.detect.volumes.thresholds import exceeded, nearest
from phage.records.columns import VOLUME, TrafficClass
from phage.records.threshold import Threshold

if TYPE_CHECKING:
    from phage.detect.volumes.measures import Slot


def slot_of(*hosts: tuple[str, int, int]) -> Slot:
    """Return a slot of networks with UDP packets in half a second, received and sent."""
    rows = np.zeros(len(hosts), VOLUME)
    for row, (text, received, sent) in zip(rows, hosts, strict=True):
        network = ipaddress.ip_network(text)
        number = (0xFFFF << 32) | int(network.network_address)
        row["address"] = number.to_bytes(16, "big")
        row["length"] = 96 + network.prefixlen
        row["packets"][:, TrafficClass.UDP] = received, sent
    return Rates().take(rows, 10 * SLOT)


THRESHOLDS = (
    Threshold(1000.0),
    Threshold(400.0, incoming=False),
    Threshold(5000.0, length=120),
    Threshold(10.0, group="dns", networks=("192.0.2.53/32",)),
)


def test_each_is_told_with_the_threshold_it_is_nearest_to() -> None:
    slot = slot_of(
        ("192.0.2.1/32", 500, 300), ("192.0.2.2/32", 100, 0), ("192.0.2.53/32", 9, 0),
        ("192.0.2.0/24", 609, 300),
    )  # fmt: skip
    found = nearest(slot, THRESHOLDS, 10)
    assert [(each.target.text, round(each.share, 2), each.value) for each in found] == [
        ("192.0.2.53/32", 0.9, 9.0),
        ("192.0.2.1/32", 0.75, 300.0),
        ("192.0.2.0/24", 0.12, 609.0),
        ("192.0.2.2/32", 0.1, 100.0),
    ]
    assert str(found[1].threshold) == "400 packets/s from a host"
    assert {each.at for each in found} == {10 * SLOT}
    assert nearest(slot, THRESHOLDS, 2) == found[:2]


def test_where_nothing_is_set_nobody_is_near() -> None:
    assert nearest(slot_of(("192.0.2.1/32", 500, 0)), (), 10) == ()


def test_what_exceeds_one_is_found_by_its_lower_bound() -> None:
    slot = slot_of(("192.0.2.1/32", 2000, 0), ("192.0.2.2/32", 900, 0))
    low = slot.fast[:, :PACKETS]
    (found,) = exceeded(slot, THRESHOLDS, low, low)
    assert (found.row, found.value, found.threshold) == (0, 2000.0, THRESHOLDS[0])
    assert list(exceeded(slot, THRESHOLDS, low * np.float32(0.4), low)) == []
