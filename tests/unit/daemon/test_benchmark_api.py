"""A share of the load test: every page and list is answered to many users at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.daemon.benchmark import api
from phage.daemon.benchmark.largestore import Scale, fill
from phage.store.store import StoreLocation

if TYPE_CHECKING:
    from pathlib import Path


def test_many_users_are_answered(tmp_path: Path) -> None:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    cookie = fill(location, Scale(200, 1000, 300, decisions=100, pairs=20, samples=20))
    with api.serving(location) as server:
        waits = api.Waits()
        while len(waits.seconds) < len(api.PATHS):
            more = api.crowd(server, cookie, pause=0.0, seconds=1.0)
            waits.seconds |= more.seconds
            waits.cpu, waits.lasted = waits.cpu + more.cpu, waits.lasted + more.lasted
    assert waits.seconds.keys() == set(api.PATHS)
    assert waits.cpu > 0
    assert 0 < waits.median <= waits.p99
    assert waits.rate > 0
