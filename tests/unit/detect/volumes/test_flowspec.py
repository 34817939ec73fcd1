"""Filters cover an attack and spare what was there before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.flowspec import cover, matching
from phage.records.columns import TRAFFIC, TrafficClass
from phage.records.decision import Pattern

if TYPE_CHECKING:
    from phage.records.window import Columns


def rows(count: int, **values: object) -> Columns:
    made = np.zeros(count, TRAFFIC)
    made["packets"] = 100
    for name, value in values.items():
        made[name] = value
    return made


def reflected(count: int, port: int, length: int) -> Columns:
    ports = np.arange(count) % 60_000 + 1024
    return rows(
        count, protocol=17, src_port=port, dst_port=ports, length=length,
        **{"class": int(TrafficClass.REPLY)},
    )  # fmt: skip


def test_one_service_is_one_pattern() -> None:
    found = cover(reflected(500, 123, 468), reflected(500, 53, 120))
    [suggested] = found.suggestions
    assert suggested.pattern == Pattern(17, source_ports=((123, 123),), lengths=((468, 468),))
    assert (found.covers, found.collateral) == (1.0, 0.0)


def test_several_vectors_are_several_patterns() -> None:
    syn = rows(
        300, protocol=6, dst_port=443, flags=2, length=60, **{"class": int(TrafficClass.SYN)}
    )
    syn["src_port"] = np.arange(300) + 1024
    attack = np.concatenate([reflected(500, 123, 468), reflected(400, 389, 1400), syn])
    found = cover(attack, rows(0))
    assert found.covers > 0.99
    assert len(found.suggestions) == 3
    assert found.suggestions[0].covers >= found.suggestions[-1].covers
    assert any(each.pattern.tcp_flags == (0x17, 2) for each in found.suggestions)


def test_what_costs_too_much_is_refused() -> None:
    usual = reflected(500, 53, 300)
    found = cover(reflected(500, 53, 300), usual)
    assert found.suggestions == ()
    assert found.refused > 0
    assert found.covers == 0.0


def test_fragments_have_a_pattern_of_their_own() -> None:
    attack = rows(100, protocol=17, length=1500, **{"class": int(TrafficClass.FRAGMENT)})
    [suggested] = cover(attack, rows(0)).suggestions
    assert suggested.pattern == Pattern(17, fragments=True)


def test_nothing_is_covered_by_nothing() -> None:
    assert cover(rows(0), reflected(9, 53, 60)).suggestions == ()


def test_a_pattern_means_what_holds_in_all() -> None:
    mixed = np.concatenate([reflected(3, 123, 468), reflected(2, 123, 60), reflected(1, 53, 468)])
    pattern = Pattern(17, source_ports=((123, 123),), lengths=((400, 500),))
    assert matching(mixed, pattern).tolist() == [True] * 3 + [False] * 3
