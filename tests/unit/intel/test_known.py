"""What is well known is left out of feeds, or believed less; and the reason is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phage.intel.catalog import Source, catalog_of
from phage.intel.entries import Entries
from phage.intel.guard import Guard
from phage.intel.known import KnownError, known_of
from phage.intel.networks import parse_networks
from phage.records.indicator import IndicatorKind
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from pathlib import Path


def warning_list(folder: Path, name: str, kind: str, *values: str) -> None:
    (folder / name).mkdir(parents=True)
    found = {"name": name, "type": kind, "version": 1, "list": values}
    (folder / name / "list.json").write_text(json.dumps(found))


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    warning_list(folder, "vpn", "cidr", "45.1.1.0/24", "2a00:1:2::/48")
    warning_list(folder, "top", "hostname", "Example.com", ".cdn.example.net")
    warning_list(folder, "empty files", "string", "d41d8cd98f00b204e9800998ecf8427e")
    warning_list(folder, "words", "substring", "a")
    return folder


def test_networks_of_lists_are_left_out_under_their_names(lists: Path, tmp_path: Path) -> None:
    own = tmp_path / "friends.txt"
    own.write_text("# ours\n45.2.0.0/16 a friend\n")
    known = known_of([lists, own])
    verdict = Guard(known=known.networks).judge(
        parse_networks(["45.1.1.9", "45.2.3.4", "45.3.3.4", "2a00:1:2::1"])
    )
    assert verdict.left_out == {"vpn": 2, "friends": 1}
    assert verdict.networks.texts() == ["45.3.3.4"]


@pytest.mark.parametrize(
    ("kind", "value", "confidence"),
    [
        (IndicatorKind.DOMAIN, "example.com", 20),
        (IndicatorKind.DOMAIN, "www.example.com", 80),
        (IndicatorKind.DOMAIN, "a.b.cdn.example.net", 20),
        (IndicatorKind.DOMAIN, "cdn.example.net", 20),
        (IndicatorKind.URL, "http://example.com/bad", 20),
        (IndicatorKind.URL, "http://evil.example/bad", 80),
        (IndicatorKind.HASH, "d41d8cd98f00b204e9800998ecf8427e", 20),
        (IndicatorKind.HASH, "0" * 32, 80),
    ],
)
def test_names_and_hashes_of_lists_are_believed_less(
    lists: Path, kind: IndicatorKind, value: str, confidence: int
) -> None:
    entries = Entries("feed", 80)
    entries.add(value, kind, tags=["c2"])
    harvest = entries.harvest()
    source = Source("feed", harvest.networks, harvest.indicators, 80)
    (mention,) = catalog_of([source], EPOCH, known_of([lists])).value(kind, value)
    assert mention.confidence == confidence
    assert len(mention.tags) == (2 if confidence == 20 else 1)


@pytest.mark.parametrize("text", ["{", '{"list": 1}', "<html><body>no</body></html>"])
def test_what_is_no_list_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(KnownError, match=r"x\.json: "):
        known_of([path])
    with pytest.raises(KnownError, match="No such file"):
        known_of([tmp_path / "nowhere"])


def test_a_list_that_changes_is_read_anew(lists: Path) -> None:
    assert known_of([lists]) is known_of([lists])
    warning_list(lists, "more", "hostname", "more.example")
    assert known_of([lists]).about(IndicatorKind.DOMAIN, "more.example") == "more"
