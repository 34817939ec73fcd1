"""The rows of a window: columns to choose by, tuples of what was chosen."""

from __future__ import annotations

import numpy as np

from phage.detect import rows as module
from phage.detect.rows import rows_of
from phage.records import Window
from phage.records.columns import FLOW, HOST, HostMark


def a_window(flows: int = 0, hosts: int = 0) -> Window:
    """Return a window whose flows and hosts are numbered, the latest first."""
    flow_rows, host_rows = np.zeros(flows, FLOW), np.zeros(hosts, HOST)
    flow_rows["id"] = np.arange(flows, 0, -1)
    host_rows["mac"] = np.arange(hosts, 0, -1)
    return Window(start=1, end=2, flows=flow_rows, hosts=host_rows)


def test_flows_come_in_the_order_of_their_beginning() -> None:
    rows = rows_of(a_window(flows=4))
    assert [row.id for row in rows.flows] == [1, 2, 3, 4]
    chosen = rows.flows_where(rows.flow_columns["id"] % 2 == 0)
    assert [row.id for row in chosen] == [2, 4]


def test_flows_are_told_by_number() -> None:
    rows = rows_of(a_window(flows=4))
    assert rows.flows_in({2, 9}).tolist() == [False, True, False, False]


def test_chosen_hosts_are_sorted_as_all_are() -> None:
    rows = rows_of(a_window(hosts=5))
    assert [row.mac for row in rows.hosts] == [1, 2, 3, 4, 5]
    assert [row.mac for row in rows.hosts_where(rows.host_columns["mac"] > 3)] == [4, 5]


def test_routers_are_marked_hosts_with_a_mac() -> None:
    window = a_window(hosts=3)
    window.hosts["marks"] = HostMark.ROUTER
    window.hosts["mac"] = (0, 7, 8)
    assert rows_of(window).routers == {7, 8}


def test_what_is_left_out_is_counted() -> None:
    rows = rows_of(a_window(flows=module.MOST_FLOWS + 3, hosts=module.MOST_HOSTS + 2))
    assert rows.dropped == 5
    assert not rows.complete
    assert len(rows.flows) == module.MOST_FLOWS


def test_an_empty_window_has_no_rows() -> None:
    rows = rows_of(Window(start=1, end=2))
    assert (rows.flows, rows.hosts, rows.scores, rows.routers) == ((), (), (), frozenset())
    assert rows.complete
