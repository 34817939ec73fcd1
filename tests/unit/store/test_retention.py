"""Retention: by age and by size, the oldest first, bounded work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phage.config.settings import RetentionSettings
from phage.records import FindingState
from phage.store.repositories.counters import MinuteCounter
from phage.store.repositories.findings import FindingFilter
from phage.store.retention import CHUNK, MAX_CHUNKS, Retention, prune_captures
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.records import EPOCH, SECOND, make_finding, make_flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.clock import FixedClock
    from phage.store.store import Store

DAY = 86_400 * SECOND


def test_what_is_too_old_goes_and_the_rest_stays(store: Store) -> None:
    now = EPOCH + 10 * DAY
    store.flows.save([make_flow(1), make_flow(2, start=now - 1000, last=now - 500)])
    store.counters.save([MinuteCounter(EPOCH, "x", 1), MinuteCounter(now, "x", 1)])
    store.findings.save(
        [
            make_finding(1, state=FindingState.CLOSED),
            make_finding(2, state=FindingState.OPEN),
            make_finding(3, state=FindingState.CLOSED, last_seen=now),
        ]
    )
    settings = RetentionSettings(flows=86_400, counters=86_400, findings=86_400)
    swept = Retention(settings).sweep(store.database, now)
    assert swept.deleted == {"flows": 1, "counters": 1, "findings": 1}
    assert not swept.more
    assert [flow.id for flow in store.flows.list()] == [2]
    assert {int(finding.id, 16) for finding in store.findings.list()} == {2, 3}
    # What refers to a finding goes with it.
    assert store.findings.list(FindingFilter(party="192.168.1.9"))
    rows = store.database.query("SELECT count(DISTINCT finding) FROM finding_parties")
    assert rows == [(2,)]


def test_while_the_store_is_too_large_the_oldest_flows_go_first(store: Store) -> None:
    store.flows.save(make_flow(number) for number in range(12_000))
    store.findings.save(make_finding(number) for number in range(10))
    before = store.database.used()
    limit = before * 6 // 10
    settings = RetentionSettings.model_construct(
        findings=1e9, flows=1e9, counters=1e9, store_size=limit, captures_size=0
    )
    retention = Retention(settings)
    swept = retention.sweep(store.database, EPOCH + DAY)
    for _ in range(20):
        if not swept.more:
            break
        swept = retention.sweep(store.database, EPOCH + DAY)
    assert store.database.used() <= limit
    assert store.findings.count() == 10
    left = [flow.id for flow in store.flows.list(limit=100_000)]
    assert 1000 < len(left) < 12_000
    assert left == list(range(11_999, 11_999 - len(left), -1))


def test_room_is_given_back_to_the_file_system(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.flows.save(make_flow(number) for number in range(20_000))
    file = Path(sqlite_store.database.place)
    sqlite_store.database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.stat().st_size
    settings = RetentionSettings(flows=60)
    Retention(settings).sweep(sqlite_store.database, EPOCH + 10 * DAY)
    sqlite_store.database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    assert file.stat().st_size < before / 2


@pytest.fixture
def sqlite_store(sqlite: StoreLocation, clock: FixedClock) -> Iterator[Store]:
    with open_store(sqlite, clock) as store:
        yield store


def test_a_sweep_does_a_bounded_part(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phage.store.retention.CHUNK", 10)
    monkeypatch.setattr("phage.store.retention.MAX_CHUNKS", 20)
    sqlite_store.flows.save(make_flow(number) for number in range(300))
    retention = Retention(RetentionSettings(flows=60))
    swept = retention.sweep(sqlite_store.database, EPOCH + DAY)
    assert swept.deleted == {"flows": 200}
    assert swept.more
    for _ in range(10):
        retention.sweep(sqlite_store.database, EPOCH + DAY)
    assert not retention.sweep(sqlite_store.database, EPOCH + DAY).more
    assert sqlite_store.flows.count() == 0
    assert CHUNK * MAX_CHUNKS == 100_000


def test_an_empty_store_is_swept_in_no_time(store: Store) -> None:
    swept = Retention(RetentionSettings()).sweep(store.database, EPOCH)
    assert swept.deleted == {}
    assert not swept.more


def test_the_oldest_captures_go_first(tmp_path: Path) -> None:
    for number in range(5):
        file = tmp_path / f"{number}.pcap"
        file.write_bytes(b"x" * 100)
        os.utime(file, (number, number))
    (tmp_path / "folder").mkdir()
    assert prune_captures(tmp_path, 250) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.pcap", "4.pcap", "folder"]
    assert prune_captures(tmp_path, 250) == 0
    assert prune_captures(tmp_path / "none", 1) == 0
