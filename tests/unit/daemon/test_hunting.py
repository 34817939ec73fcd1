"""What feeds say anew is looked up in what is stored, and told once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.collect.logs.told import ToldCollector, ToldFeed
from phage.daemon.hunting import RetroHunt
from phage.daemon.sightingsink import SightingSink
from phage.detect.detector import Knowledge
from phage.detect.detectors.retrohunt import RetroHunt as Detector
from phage.intel.catalog import Catalog, Source, catalog_of
from phage.intel.networks import empty, parse_networks
from phage.records import LogEvent, LogKind, Observation, Severity, Window
from phage.records.flow import Flow
from phage.records.indicator import Indicator, IndicatorKind
from phage.records.sighting import Sighting
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from phage.store.store import Store

NOW = SystemClock().now()
HOUR = 3600 * 10**9
MAC = "02:00:5e:00:53:01"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(StoreLocation.of("", "", tmp_path / "s.sqlite3"), SystemClock()) as store:
        flow = Flow(1, NOW - HOUR, NOW - HOUR + 10**9, "192.168.1.7", "45.1.1.9", 5000, 443, 6,
                    src_mac=MAC, packets=(9, 8))  # fmt: skip
        back = replace(flow, id=2, src="45.1.1.9", dst="192.168.1.8", src_mac="", packets=(1, 0))
        old = replace(flow, id=3, last=NOW - 9000 * HOUR, start=NOW - 9000 * HOUR, dst="45.2.2.2")
        store.flows.save([flow, replace(flow, id=4, start=NOW - 2 * HOUR), back, old])
        store.sightings.save(
            [
                Sighting(
                    IndicatorKind.DOMAIN, "www.bad.example", MAC, "192.168.1.7", NOW - HOUR, NOW
                ),
                Sighting(IndicatorKind.DOMAIN, "www.bad.example", MAC, "192.168.1.9", NOW, NOW + 1),
                Sighting(IndicatorKind.JA4, "t13d_x", "192.168.1.8", "192.168.1.8", NOW, NOW),
            ]
        )
        yield store


def catalog(networks: tuple[str, ...] = (), values: Iterable[Indicator] = ()) -> Catalog:
    listed = parse_networks(networks) if networks else empty()
    return catalog_of([Source("feed", listed, tuple(values), 90, NOW)], NOW)


class Told(ToldFeed):
    def __init__(self) -> None:
        super().__init__("told")
        self.events: list[LogEvent] = []

    def tell(self, events: Iterable[LogEvent]) -> None:
        self.events += events


def domain(value: str, kind: IndicatorKind = IndicatorKind.DOMAIN) -> Indicator:
    return Indicator(kind, value, "feed", 90, description="a botnet")


def hunter(days: float = 7.0) -> tuple[RetroHunt, Told]:
    told = Told()
    return RetroHunt(told, SystemClock(), days * 86_400), told


def test_flows_and_names_of_earlier_days_are_met_once(store: Store) -> None:
    retro, told = hunter()
    assert retro.hunt(catalog(), store) == 0
    new = catalog(("45.0.0.0/8",), [domain("bad.example"), domain("t13d_x", IndicatorKind.JA4)])
    assert retro.hunt(new, store) == 4
    by_way = {(e.fields["way"], e.fields["value"]): e for e in told.events}
    out = by_way["to", "45.1.1.9"]
    assert (out.fields["mac"], out.fields["times"], out.spoofable) == (MAC, 2, False)
    assert out.fields["first"] == NOW - 2 * HOUR
    assert by_way["from", "45.1.1.9"].spoofable
    name = by_way["name", "www.bad.example"]
    assert (name.address, name.fields["times"]) == ("192.168.1.9", 2)
    assert retro.hunt(new, store) == 0, "nothing is new"
    assert retro.hunt(catalog(), store) == 0
    assert retro.hunt(new, store) == 0, "nor is it told again"


def test_what_findings_told_before_a_restart_is_not_told_again(store: Store) -> None:
    retro, told = hunter()
    listed = catalog(("45.1.1.9",))
    assert retro.hunt(listed, store) == 2
    window = Window(NOW, NOW, events=tuple(told.events))
    findings = Detector(incoming=True).inspect(window, Knowledge())
    store.findings.save(replace(each, id=f"0{n}") for n, each in enumerate(findings))
    assert hunter()[0].hunt(listed, store) == 0


def test_it_can_be_switched_off(store: Store) -> None:
    assert hunter(0)[0].hunt(catalog(("45.0.0.0/8",)), store) == 0


def test_more_than_the_most_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.daemon.hunting.MOST_TRACES", 1)
    retro, told = hunter()
    assert retro.hunt(catalog(("45.0.0.0/8",), [domain("bad.example")]), store) == 1
    assert (len(told.events), retro.left_out) == (1, 2)


def test_the_detector_says_who_where_and_since_when(store: Store) -> None:
    retro, told = hunter()
    retro.hunt(catalog(("45.1.1.9",), [domain("bad.example")]), store)
    window = Window(NOW, NOW, events=tuple(told.events))
    findings = sorted(Detector().inspect(window, Knowledge()), key=lambda each: each.key)
    assert [each.subject.mac for each in findings] == [MAC, MAC]
    assert "turned to 45.1.1.9 2 times" in findings[0].summary
    assert "which feed lists since" in findings[0].summary
    assert findings[0].severity is Severity.HIGH
    assert "named www.bad.example" in findings[1].summary
    assert "a botnet" in findings[1].summary


def test_told_events_come_as_windows() -> None:
    collector = ToldCollector(SystemClock())
    collector.open()
    collector.feed.tell([LogEvent(LogKind.REMEMBERED, NOW, "store", "retrohunt", "192.0.2.1")] * 3)
    window = next(collector.windows())
    assert len(window.events) == 3
    collector.stop()
    collector.close()


def test_a_feed_that_nobody_reads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.collect.logs.told.MOST", 2)
    feed = ToldFeed("told")
    feed.tell([LogEvent(LogKind.REMEMBERED, NOW, "", "", "")] * 5)
    assert (feed.dropped, len(feed.read(0)[0])) == (3, 2)
    assert "3 events" in feed.faults()[0]


class Writer:
    def __init__(self) -> None:
        self.got: list[Sighting] = []

    def sightings(self, sightings: Iterable[Sighting]) -> None:
        self.got += sightings


def seen(kind: str, time: int = NOW, **fields: str | bool) -> Observation:
    return Observation(kind, time, 0, "192.168.1.7", "9.9.9.9", 1, 2, MAC, "", 0, 17, 0, 0, fields)


def test_names_and_fingerprints_are_noted_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()
    sink = SightingSink(writer)  # type: ignore[arg-type]
    observations = (
        seen("dns", query="WWW.Bad.example."),
        seen("dns", query="www.bad.example", response=True),
        seen("dns", NOW + 5, query="www.bad.example"),
        seen("dns", query="x" * 300 + ".example"),
        seen("tls", sni="bad.example", ja4="t13d_x"),
        seen("http", host="bad.example:8080"),
        seen("arp"),
    )
    sink.window(Window(NOW, NOW, observations=observations))
    assert writer.got == []
    sink.window(Window(NOW, NOW + 120 * 10**9))
    assert {(each.value, each.times) for each in writer.got} == {
        ("www.bad.example", 2),
        ("bad.example", 2),
        ("t13d_x", 1),
    }
    monkeypatch.setattr("phage.daemon.sightingsink.MAX_COUNTED", 1)
    sink.window(Window(NOW, NOW + 120 * 10**9, observations=observations))
    assert sink.left_out == 3
