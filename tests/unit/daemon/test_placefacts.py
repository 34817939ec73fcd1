"""Rules ask for countries and autonomous systems."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from phage.daemon import placefacts
from phage.daemon.placefacts import PlaceSets
from phage.intel.geography import Geography, make_geography
from phage.policy.facts import StaticFacts
from phage.policy.rule import Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    writer = MMDBWriter(6, "Test", ipv4_compatible=True)
    for network, country, system in (
        ("198.51.100.0/25", "DE", 64500),
        ("198.51.100.128/25", "DE", 64501),
        ("203.0.113.0/24", "FR", 64500),
    ):
        record = {"country": {"iso_code": country}, "autonomous_system_number": system}
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(tmp_path / "all.mmdb"))
    return tmp_path / "all.mmdb"


def test_countries_and_systems_are_sets(database: Path) -> None:
    facts = StaticFacts(others=[PlaceSets(make_geography([database]))])
    assert facts.knows(Kind.COUNTRY, "DE")
    assert facts.knows(Kind.AS, "64500")
    assert not facts.knows(Kind.LIST, "DE")
    assert [str(each) for each in facts.members(Kind.COUNTRY, "DE", 0)] == ["198.51.100.0/24"]
    assert len(facts.members(Kind.AS, "64500", 0)) == 2
    assert facts.contains(Kind.COUNTRY, "FR", 0, ipaddress.ip_address("203.0.113.9"))
    assert not facts.contains(Kind.AS, "64501", 0, ipaddress.ip_address("203.0.113.9"))


def test_without_a_database_nothing_is_known() -> None:
    facts = StaticFacts(others=[PlaceSets(Geography())])
    assert not facts.knows(Kind.COUNTRY, "DE")
    assert facts.members(Kind.COUNTRY, "DE", 0) == ()


def test_a_rule_names_so_many_networks_and_no_more(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(placefacts, "MAX_MEMBERS", 1)
    assert len(PlaceSets(make_geography([database])).members(Kind.AS, "64500", 0)) == 1
    assert "names the first 1" in caplog.text
