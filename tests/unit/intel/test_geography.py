"""Countries and autonomous systems from databases of several makers."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from phage.intel.geography import Geography, Place, make_geography, place_of

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, *entries: tuple[str, dict[str, object]], ip: int = 6) -> Path:
    writer = MMDBWriter(ip, "Test", ipv4_compatible=ip == 6)
    for network, record in entries:
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    return written(
        tmp_path / "country.mmdb",
        ("198.51.100.0/24", {"country": {"iso_code": "DE"}}),
        ("203.0.113.0/24", {"country": {"iso_code": "FR"}}),
        ("2001:db8::/32", {"registered_country": {"iso_code": "DE"}}),
    )


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    record: dict[str, object] = {
        "autonomous_system_number": 64500,
        "autonomous_system_organization": "Example",
    }
    return written(tmp_path / "asn.mmdb", ("198.51.100.0/25", record))


def test_what_databases_know_together(countries: Path, systems: Path) -> None:
    made = make_geography([countries, systems])
    assert made.place("198.51.100.7") == Place("DE", 64500, "Example")
    assert str(made.place("198.51.100.7")) == "DE, AS64500 Example"
    assert made.place("198.51.100.200") == Place("DE")
    assert made.place("2001:db8::1").country == "DE"
    assert str(made.place("192.0.2.1")) == ""
    assert [str(each) for each in made.networks(country="DE")] == [
        "198.51.100.0/24",
        "2001:db8::/32",
    ]
    assert list(made.networks(system=64500)) == [ipaddress.ip_network("198.51.100.0/25")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"country": "de", "asn": "AS64500", "as_name": "Example"}, Place("DE", 64500, "Example")),
        ({"country_code": "FR"}, Place("FR")),
        ({"country": {"iso_code": 7}, "asn": "ASx"}, Place()),
        ({"asn": "AS99999999999", "country": "Germany"}, Place()),
        (["DE"], Place()),
        (None, Place()),
    ],
)
def test_records_of_several_makers(record: object, expected: Place) -> None:
    assert place_of(record) == expected


def test_a_file_that_is_replaced_is_read_anew(countries: Path) -> None:
    made = make_geography([countries])
    assert not made.look()
    other = countries.with_name("other.mmdb")
    written(other, ("198.51.100.0/24", {"country": {"iso_code": "IT"}}))
    other.replace(countries)
    assert made.look()
    assert made.place("198.51.100.7").country == "IT"


def test_a_damaged_file_is_told_and_what_was_open_stays(countries: Path) -> None:
    made = make_geography([countries])
    broken = countries.with_name("broken.mmdb")
    broken.write_bytes(b"no database")
    broken.replace(countries)
    assert not made.look()
    assert "country.mmdb" in made.faults[countries]
    assert made.place("198.51.100.7").country == "DE"


def test_a_file_of_ipv4_alone_knows_no_ipv6(tmp_path: Path) -> None:
    path = written(tmp_path / "four.mmdb", ("198.51.100.0/24", {"country": "DE"}), ip=4)
    made = make_geography([path])
    assert made.place("2001:db8::1") == Place()
    with pytest.raises(ValueError, match="not-an-address"):
        made.place("not-an-address")


@pytest.mark.parametrize("seed", range(30))
def test_any_octets_are_no_database(tmp_path: Path, seed: int, countries: Path) -> None:
    import random

    dice = random.Random(seed)
    octets = bytearray(countries.read_bytes())
    for _ in range(20):
        octets[dice.randrange(len(octets))] = dice.randrange(256)
    path = tmp_path / "fuzzed.mmdb"
    path.write_bytes(octets)
    made = Geography([path])
    made.look()
    made.place("198.51.100.7")
    list(zip(range(1000), made.networks(country="DE"), strict=False))


def test_without_files_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.intel.geography.USUAL_FOLDERS", ())
    assert not make_geography([])
