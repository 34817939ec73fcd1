"""Exporters on both engines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.records.exporter import Exporter
from phage.store.repositories import exporters as module
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    import pytest

    from phage.store.store import Store

ROUTER = Exporter(
    "192.0.2.1", 7, 9, "edge", EPOCH, EPOCH + 5, sampling=100, drift=-3, datagrams=2, records=60
)


def test_counts_are_added_and_the_latest_is_kept(store: Store) -> None:
    store.exporters.save([ROUTER])
    later = replace(ROUTER, first_seen=EPOCH + 9, last_seen=EPOCH + 9, sampling=200, name="core")
    store.exporters.save([later, replace(ROUTER, domain=8)])
    older = replace(ROUTER, first_seen=EPOCH - 1, last_seen=EPOCH - 1, sampling=1, lost=4)
    store.exporters.save([older])
    first, second = store.exporters.list()
    assert (first.domain, first.sampling, first.name) == (7, 200, "core")
    assert (first.first_seen, first.last_seen) == (EPOCH - 1, EPOCH + 9)
    assert (first.datagrams, first.records, first.lost) == (6, 180, 4)
    assert second == replace(ROUTER, domain=8)


def test_forged_exporters_do_not_fill_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 20)
    for number in range(10):
        store.exporters.save(
            replace(ROUTER, domain=number * 10 + each, last_seen=EPOCH + number)
            for each in range(10)
        )
    kept = store.exporters.list(1000)
    assert len(kept) <= 30
    assert kept[0].last_seen == EPOCH + 9
