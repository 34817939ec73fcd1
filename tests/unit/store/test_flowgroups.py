"""Groups of flows, on both engines: told apart by what rules ask for, summed up otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.store.repositories.counters import MINUTE
from phage.store.repositories.flowgroups import FlowGroup
from phage.testing.records import EPOCH, SECOND, make_flow

if TYPE_CHECKING:
    from phage.store.store import Store

FOREVER = 2**63 - 1


@pytest.fixture
def filled(store: Store) -> Store:
    """Give a store with ten flows of one group, one to another port, and two pings."""
    store.flows.save(make_flow(number, src_port=50_000 + number % 2) for number in range(1, 11))
    store.flows.save([make_flow(11, dst_port=80, vlan=7)])
    store.flows.save(make_flow(n, protocol=1, src_port=8, dst_port=0) for n in (12, 13))
    return store


def test_flows_that_no_rule_can_tell_apart_are_one_group(filled: Store) -> None:
    groups = {
        (each.protocol, each.dst_port): each for each in filled.flow_groups.stream(0, FOREVER)
    }
    ends = ("192.168.1.5", "93.184.216.34")
    mac = "02:00:00:00:00:05"
    assert groups == {
        (6, 443): FlowGroup(*ends, 6, 443, 0, mac, 0, 0, 10, 102_000, EPOCH + 12 * SECOND),
        (6, 80): FlowGroup(*ends, 6, 80, 0, mac, 7, 0, 1, 10_200, EPOCH + 13 * SECOND),
        (1, 0): FlowGroup(*ends, 1, 0, 8, mac, 0, 0, 2, 20_400, EPOCH + 15 * SECOND),
    }


def test_source_ports_and_minutes_tell_apart_where_asked(filled: Store) -> None:
    found = list(filled.flow_groups.stream(0, FOREVER, source_ports=True, minutes=True))
    assert sorted((each.protocol, each.src_port, each.flows) for each in found) == [
        (1, 8, 2), (6, 50_000, 1), (6, 50_000, 5), (6, 50_001, 5),
    ]  # fmt: skip
    assert {each.minute for each in found} == {EPOCH // MINUTE * MINUTE}


def test_only_flows_of_the_time_count(filled: Store) -> None:
    stream = filled.flow_groups.stream
    assert sum(each.flows for each in stream(EPOCH + 12 * SECOND, FOREVER)) == 4
    assert sum(each.flows for each in stream(0, EPOCH + 3 * SECOND)) == 2
    assert list(stream(-(2**80), 0)) == []
