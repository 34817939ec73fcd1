"""Rules ask for domains; the devices' own look-ups say which addresses are meant."""

from __future__ import annotations

import ipaddress

from phage.clock import FixedClock
from phage.daemon.domainfacts import DomainSets
from phage.devices.inventory import Inventory
from phage.devices.profiler import Profiler
from phage.policy.facts import StaticFacts
from phage.policy.rule import Kind
from phage.records.profile import Profile


def test_a_domain_is_what_devices_were_told_for_it_and_for_names_below_it() -> None:
    profiler = Profiler(Inventory())
    names = {"203.0.113.1": "eu.maker.com", "203.0.113.2": "maker.com", "203.0.113.3": "other.org"}
    profiler.books.load([Profile("d", 0, 0, names=names)])
    sets = DomainSets(profiler, FixedClock())
    facts = StaticFacts(others=(sets,))
    assert facts.knows(Kind.DOMAIN, "maker.com")
    assert {str(each) for each in facts.members(Kind.DOMAIN, "maker.com", 0)} == {
        "203.0.113.1/32",
        "203.0.113.2/32",
    }
    assert facts.contains(Kind.DOMAIN, "eu.maker.com", 0, ipaddress.ip_address("203.0.113.1"))
    assert not facts.contains(Kind.DOMAIN, "maker.com", 0, ipaddress.ip_address("203.0.113.3"))
    assert not sets.members(Kind.LIST, "maker.com", 0)


def test_one_of_a_pool_is_any_of_its_numbers() -> None:
    profiler = Profiler(Inventory())
    names = {"203.0.113.1": "mqtt1.eu.cloud.com", "203.0.113.2": "mqtt22.eu.cloud.com",
             "203.0.113.3": "mqttx.eu.cloud.com"}  # fmt: skip
    profiler.books.load([Profile("d", 0, 0, names=names)])
    sets = DomainSets(profiler, FixedClock())
    found = {str(each) for each in sets.members(Kind.DOMAIN, "mqtt#.eu.cloud.com", 0)}
    assert found == {"203.0.113.1/32", "203.0.113.2/32"}
    assert not sets.members(Kind.DOMAIN, "mqtt#.us.cloud.com", 0)
