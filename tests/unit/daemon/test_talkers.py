"""Hosts are added up many at once as they were one by one."""

from __future__ import annotations

import random

import numpy as np

from phage.daemon import talkers
from phage.daemon.talkers import TALKER, Sums


def test_sums_are_those_of_one_by_one_in_the_order_in_which_hosts_came() -> None:
    source = random.Random(7)
    known: dict[tuple[int, bytes], list[int]] = {}
    left_out, most = 0, 40
    sums = Sums(most)
    for _ in range(3 * talkers.PARTS + 1):
        rows = np.zeros(source.randrange(30), TALKER)
        for row in rows:
            host = (source.randrange(8), source.randbytes(1) * 15 + bytes(1))
            numbers = [source.randrange(1 << 40) for _ in range(4)]
            row["mac"], row["address"], row["numbers"] = host[0], np.void(host[1]), numbers
            row["device"] = numbers[0] % 2
            if host in known:
                known[host] = [a + b for a, b in zip(known[host], numbers, strict=True)]
            elif len(known) < most:
                known[host] = numbers
            else:
                left_out += 1
        sums.add(rows)
    told = sums.rows()
    assert list(zip(told["mac"].tolist(), told["address"].tolist(), strict=True)) == list(known)
    assert told["numbers"].tolist() == list(known.values())
    assert sums.left_out == left_out > 0


def test_a_host_of_one_window_is_added_up_too() -> None:
    rows = np.zeros(3, TALKER)
    rows["numbers"] = 1, 2, 3, 4
    rows["device"] = False, True, False
    sums = Sums(10)
    sums.add(rows)
    (row,) = sums.rows()
    assert row["numbers"].tolist() == [3, 6, 9, 12]
    assert row["device"]


def test_nothing_is_added_up_to_nothing() -> None:
    sums = Sums(10)
    assert len(sums.rows()) == sums.left_out == 0
    sums.add(np.empty(0, TALKER))
    assert len(sums.rows()) == 0
