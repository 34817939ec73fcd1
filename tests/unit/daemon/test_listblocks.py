"""Lists of threat intelligence: what rules are told of them, and what the kernel drops by."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phage.config.settings import BlockListsSettings
from phage.daemon import listfacts
from phage.daemon.listblocks import NAME, BlockLists
from phage.daemon.listfacts import ListSets, kernel_keys, sure_networks
from phage.errors import PhageError
from phage.intel.catalog import Catalog, Source, catalog_of
from phage.intel.networks import parse_networks
from phage.policy.facts import StaticFacts
from phage.policy.rule import Kind
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.daemon.listblocks import Keys

NOW = 1_800_000_000 * 10**9


def said(value: str, confidence: int, feed: str = "mixed") -> Indicator:
    return Indicator(IndicatorKind.NETWORK, value, feed, confidence)


@pytest.fixture
def catalog() -> Catalog:
    return catalog_of(
        [
            Source("sure", parse_networks(("45.1.0.0/16", "2a00:1::/32", "45.9.9.9")), (), 95),
            Source(
                "mixed",
                parse_networks(("60.1.1.1", "60.1.1.2")),
                (said("60.1.1.1", 90), Indicator(IndicatorKind.DOMAIN, "bad.example", "mixed", 90)),
                40,
            ),
        ],
        NOW,
    )


@dataclass
class Kernel:
    """Holds lists as the enforcer does."""

    standing: dict[str, int] = field(default_factory=dict)
    loads: int = 0
    broken: bool = False

    def lists(self) -> Mapping[str, int]:
        if self.broken:
            message = "the enforcer is away"
            raise PhageError(message)
        return self.standing

    def load_list(self, name: str, keys: Keys, *, destination: bool) -> int:
        self.loads += 1
        self.standing[name] = sum(len(packed) // (4 if v == 4 else 16) for v, _, packed in keys)
        return self.standing[name]

    def drop_list(self, name: str) -> None:
        del self.standing[name]


def blocks(*feeds: str, confidence: int = 80, most: int = 100) -> BlockLists:
    chosen = BlockListsSettings(feeds=feeds, confidence=confidence)
    return BlockLists(chosen, most, frozenset({"sure", "mixed"}))


def test_rules_ask_lists_with_their_confidence(catalog: Catalog) -> None:
    facts = StaticFacts(others=[ListSets(frozenset({"sure", "mixed", "new"}), catalog)])
    assert facts.knows(Kind.LIST, "new"), "a feed that has said nothing yet is one all the same"
    assert not facts.knows(Kind.LIST, "other")
    address = ipaddress.ip_address("60.1.1.2")
    assert facts.contains(Kind.LIST, "mixed", 40, address)
    assert not facts.contains(Kind.LIST, "mixed", 41, address)
    assert facts.contains(Kind.LIST, "any", 95, ipaddress.ip_address("45.1.200.1"))
    assert [str(each) for each in facts.members(Kind.LIST, "mixed", 80)] == ["60.1.1.1/32"]
    assert len(facts.members(Kind.LIST, "any", 1)) == 5
    assert facts.lists_domain("any", 90, "www.bad.example")
    assert not facts.lists_domain("sure", 1, "www.bad.example")
    assert facts.members(Kind.COUNTRY, "DE", 1) == ()


def test_a_rule_names_so_many_networks_and_no_more(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listfacts, "MAX_MEMBERS", 2)
    facts = ListSets(frozenset({"sure"}), catalog)
    assert len(facts.members(Kind.LIST, "sure", 1)) == 2
    assert "policy.block_lists" in caplog.text


def test_what_a_feed_says_of_one_address_goes_before_what_it_is_worth() -> None:
    source = Source("f", parse_networks(("60.1.1.1", "60.1.1.2")), (said("60.1.1.1", 10, "f"),), 90)
    chosen = sure_networks(catalog_of([source], NOW), ["f"], 80)
    assert chosen.texts() == ["60.1.1.2"]


def test_networks_as_the_kernel_takes_them(catalog: Catalog) -> None:
    keys = kernel_keys(sure_networks(catalog, ["any"], 90))
    assert keys == [
        (4, 16, bytes([45, 1, 0, 0])),
        (4, 32, bytes([45, 9, 9, 9, 60, 1, 1, 1])),
        (6, 32, bytes.fromhex("2a000001") + bytes(12)),
    ]


def test_the_kernel_gets_the_list_once_and_again_when_it_is_gone(catalog: Catalog) -> None:
    kernel, made = Kernel(), blocks("sure")
    made.look(kernel)
    assert kernel.loads == 0, "nothing is known yet: what stands from before is left"
    made.publish(catalog)
    made.look(kernel)
    made.look(kernel)
    assert (kernel.loads, kernel.standing, made.elements) == (1, {NAME: 3}, 3)
    kernel.standing.clear()
    made.look(kernel)
    assert kernel.loads == 2
    made.publish(catalog_of([], NOW))
    made.look(kernel)
    assert kernel.standing == {}


def test_more_than_the_budget_changes_nothing(catalog: Catalog) -> None:
    kernel, made = Kernel({NAME: 7}), blocks("any", confidence=1, most=4)
    made.publish(catalog)
    made.look(kernel)
    assert kernel.loads == 0
    assert "policy.budget.listed" in made.fault


def test_an_enforcer_that_is_away_is_a_fault_until_it_is_back(catalog: Catalog) -> None:
    kernel, made = Kernel(broken=True), blocks("sure")
    made.publish(catalog)
    made.look(kernel)
    assert "away" in made.fault
    kernel.broken = False
    made.look(kernel)
    assert (made.fault, kernel.loads) == ("", 1)


def test_while_enforcing_is_off_it_is_only_counted(catalog: Catalog) -> None:
    made = blocks("sure")
    made.publish(catalog)
    made.look(None)
    assert (made.networks, made.elements) == (3, 0)
