"""What all feeds say, asked together; and how it comes to be kept."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.clock import FixedClock
from phage.intel import keep
from phage.intel.catalog import HALF_LIFE_S, Source, catalog_of, together
from phage.intel.feeds.hosts import Hosts
from phage.intel.feeds.netset import Netset
from phage.intel.fetch import Fetcher
from phage.intel.networks import empty, parse_networks
from phage.intel.update import Subscription, Updater
from phage.records.address import parse_address
from phage.records.indicator import Indicator, IndicatorKind
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.intel.conftest import Replay

    from phage.store.store import Store

NOW = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9


def said(mentions: tuple[object, ...]) -> dict[str, str]:
    return {each.feed: each.value for each in mentions}  # type: ignore[attr-defined]


def test_who_lists_an_address_is_told_with_the_network_around_it() -> None:
    sources = [
        Source("one", parse_networks(("45.1.0.0/16", "45.1.1.1")), confidence=50),
        Source("two", parse_networks(("45.1.1.0/24", "2a00::/32")), confidence=90),
    ]
    catalog = catalog_of(sources, NOW)
    assert said(catalog.address(parse_address("45.1.1.1"))) == {
        "one": "45.1.1.1",
        "two": "45.1.1.0/24",
    }
    assert said(catalog.address(parse_address("45.1.2.1"))) == {"one": "45.1.0.0/16"}
    assert said(catalog.check("2a00::7")) == {"two": "2a00::/32"}
    assert catalog.check("45.2.1.1") == ()
    assert catalog_of([], NOW).check("45.2.1.1") == ()


networks = st.lists(
    st.tuples(st.integers(0, 2**10), st.integers(20, 32)).map(
        lambda each: str(ipaddress.ip_network(((45 << 24) + each[0], each[1]), strict=False))
    ),
    max_size=12,
)


@given(st.lists(networks, max_size=4), st.lists(st.integers(0, 2**10), max_size=20))
def test_addresses_are_listed_as_ipaddress_tells(lists: list[list[str]], asked: list[int]) -> None:
    sources = [Source(str(n), parse_networks(each)) for n, each in enumerate(lists)]
    catalog = catalog_of(sources, NOW)
    for low in asked:
        address = ipaddress.ip_address((45 << 24) + low)
        expected = {
            str(number)
            for number, each in enumerate(lists)
            if any(address in ipaddress.ip_network(text) for text in each)
        }
        assert set(said(catalog.address(parse_address(str(address))))) == expected


def test_domains_are_found_by_what_is_above_them() -> None:
    bad = Indicator(IndicatorKind.DOMAIN, "bad.example.com", "names", 80, tags=("c2",))
    gone = Indicator(IndicatorKind.DOMAIN, "gone.example.com", "names", expires=NOW - 1)
    catalog = catalog_of([Source("names", empty(), (bad, gone))], NOW)
    assert said(catalog.domain("A.Bad.Example.Com.")) == {"names": "bad.example.com"}
    assert catalog.domain("notbad.example.com") == ()
    assert catalog.domain("example.com") == ()
    assert catalog.domain("gone.example.com") == ()
    assert said(catalog.check("https://x.bad.example.com/a")) == {"names": "bad.example.com"}


def test_confidence_decays_and_adds_up() -> None:
    old = Source("a", empty(), confidence=80, updated=NOW - int(HALF_LIFE_S * 1e9))
    assert old.sure(NOW) == 40
    assert together([50, 50]) == 75
    assert together([99] * 9) == 99
    assert together([]) == 0


def test_networks_are_kept_and_damage_is_seen(tmp_path: Path) -> None:
    whole = parse_networks(("45.1.1.0/24", "2a00::/32"))
    keep.save(tmp_path, "a/../b", whole)
    found = keep.load(tmp_path, "a/../b")
    assert found is not None
    assert found.texts() == whole.texts()
    file = keep.place(tmp_path, "a/../b")
    assert file.parent == tmp_path
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert keep.load(tmp_path, "a/../b") is None
    keep.forget(tmp_path, "a/../b")
    assert keep.load(tmp_path, "a/../b") is None


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as opened:
        yield opened


@pytest.fixture
def updater(store: Store, tmp_path: Path, clock: FixedClock) -> Updater:
    return Updater(store.indicators, tmp_path / "intel", clock, lambda: Fetcher(clock))


def kept(updater: Updater, name: str) -> list[str]:
    found = keep.load(updater.folder, name)
    return [] if found is None else found.texts()


def test_a_feed_is_asked_when_due_and_what_was_good_stays(
    replay: Replay, updater: Updater, clock: FixedClock
) -> None:
    many = "".join(f"45.1.{n}.1\n" for n in range(100))
    feed = Subscription("list", Netset(url=replay.put("/list", many, ETag='"1"')), 3600.0)
    assert updater.update(feed).entries == 100
    updater.update(feed)
    assert len(replay.asked) == 1
    clock.nanoseconds += 3600 * 10**9
    state = updater.update(feed)  # Unchanged, said by the server: validators outlive restarts.
    assert (len(replay.asked), state.updated, state.fault) == (2, clock.now(), "")
    for body, fault in (
        ("45.1.1.1\n", "shrank from 100 entries to 1"),
        ("", "empty"),
        ("<html>busy</html>", "web page"),
    ):
        replay.put("/list", body)
        clock.nanoseconds += DAY
        state = updater.update(feed)
        assert fault in state.fault
        assert state.entries == len(kept(updater, "list")) == 100
    assert state.failures == 3
    assert state.due == clock.now() + 4 * 3600 * 10**9
    replay.put("/list", many + "45.2.1.1\n8.8.8.8\n")
    clock.nanoseconds += DAY
    state = updater.update(feed)
    assert (state.entries, state.fault, state.failures) == (101, "", 0)
    assert state.left_out == {"public resolver": 1}


def test_what_is_left_out_is_no_indicator_either(
    replay: Replay, updater: Updater, store: Store
) -> None:
    url = replay.put("/hosts", "bad.example.com\n")
    updater.update(Subscription("names", Hosts(url=url, confidence=80), 3600.0))
    (found,) = store.indicators.with_value("bad.example.com")
    assert (found.feed, found.confidence) == ("names", 80)
    assert store.indicators.search("bad")[0].value == "bad.example.com"
    assert store.indicators.search("%") == []
    store.indicators.forget("names")
    assert store.indicators.states() == {}


def test_a_source_that_asks_for_rest_gets_it(
    replay: Replay, updater: Updater, clock: FixedClock
) -> None:
    feed = Subscription("list", Netset(url=replay.put("/list", "", 429, Retry_After="9999")), 60.0)
    state = updater.update(feed, always=True)
    assert state.due == clock.now() + 9999 * 10**9
    updater.update(feed, always=True)  # The maker's interval is kept even so.
    assert len(replay.asked) == 1


def test_of_very_many_indicators_who_says_so_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.intel.valueindex.MAX_DETAILED", 1)
    monkeypatch.setattr("phage.intel.valueindex.MAX_COMPACT", 3)
    kind = IndicatorKind.DOMAIN
    said = [Indicator(kind, f"{n}.example", "f", 40 + n, description="x") for n in range(5)]
    other = Indicator(kind, "1.example", "g", 90)
    catalog = catalog_of(
        [Source("f", empty(), said[:3]), Source("g", empty(), (other, *said[3:]))], NOW
    )
    assert catalog.domain("www.0.example")[0].description == "x"
    assert [(each.feed, each.confidence) for each in catalog.value(kind, "1.example")] == [
        ("f", 41),
        ("g", 90),
    ]
    assert catalog.value(kind, "2.example")[0].description == ""
    assert catalog.value(kind, "9.example") == ()
    assert (len(catalog), catalog.left_out) == (4, 2)


def test_networks_of_both_versions_are_sorted_and_no_double_is_left() -> None:
    texts = ["2001:db8::/32", "::1", "45.1.1.1", "45.0.0.0/8", "2001:db8::/32", "::ffff:45.1.1.1"]
    found = parse_networks(texts)
    keys = [(bytes(o), int(n)) for o, n in zip(found.octets, found.lengths, strict=True)]
    assert keys == sorted(set(keys))
    assert found.texts() == ["::1", "45.0.0.0/8", "45.1.1.1", "2001:db8::/32"]


def test_how_much_of_a_feed_no_other_lists() -> None:
    lists = {"one": ("45.1.1.1", "45.1.1.2", "45.1.1.3", "45.2.0.0/16"), "two": ("45.1.1.1",)}
    sources = [Source(name, parse_networks(texts)) for name, texts in lists.items()]
    assert catalog_of([*sources, Source("none", empty())], NOW).alone == {"one": 0.75, "two": 0.0}
