"""Hits of rules, on both engines: they add up, and what is given up is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.rulehits import RuleHits
from phage.store.repositories.text import MAX_INTEGER
from phage.testing.records import EPOCH, SECOND

if TYPE_CHECKING:
    from phage.store.store import Store


def test_hits_add_up(store: Store) -> None:
    store.rule_hits.save([RuleHits("b", 3, 300, EPOCH, EPOCH - SECOND), RuleHits("a", since=EPOCH)])
    store.rule_hits.save([RuleHits("b", 2, 150, EPOCH + SECOND, EPOCH)])
    assert store.rule_hits.list() == [
        RuleHits("a", since=EPOCH),
        RuleHits("b", 5, 450, EPOCH + SECOND, EPOCH - SECOND),
    ]


def test_what_comes_late_moves_no_time_back(store: Store) -> None:
    store.rule_hits.save([RuleHits("a", 1, 60, EPOCH, EPOCH)])
    store.rule_hits.save([RuleHits("a", 1, 60, EPOCH - SECOND, EPOCH - SECOND)])
    assert store.rule_hits.list() == [RuleHits("a", 2, 120, EPOCH, EPOCH)]


def test_sums_stop_at_the_largest_integer(store: Store) -> None:
    store.rule_hits.save([RuleHits("a", 2**64, 1)])
    store.rule_hits.save([RuleHits("a", 5, MAX_INTEGER)])
    assert store.rule_hits.list() == [RuleHits("a", MAX_INTEGER, MAX_INTEGER)]


def test_a_rule_may_have_any_name(store: Store) -> None:
    store.rule_hits.save([RuleHits("\0\ud800'; --", 1)])
    assert [each.packets for each in store.rule_hits.list()] == [1]


def test_hits_can_be_forgotten(store: Store) -> None:
    store.rule_hits.save([RuleHits("a", 1), RuleHits("b", 1)])
    store.rule_hits.forget(["a", "never there"])
    assert [each.rule for each in store.rule_hits.list()] == ["b"]
