from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from phage.clock import FixedClock
from phage.devices.vulnerabilities.download import Downloader
from phage.devices.vulnerabilities.importing import CveImportError, Importer
from phage.intel.feed import FeedError
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.intel.fetch import Fetcher
    from phage.store.store import Store

API = "https://services.nvd.nist.gov/rest/json/cves/2.0"


@dataclass
class Nvd:
    """Answers like NVD's API, three records a page."""

    total: int
    fails_at: int = -1
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def get(self, url: str, headers: object = None, *, conditional: bool = True) -> bytes:
        query = parse_qs(urlsplit(url).query)
        self.asked.append(query)
        start = int(query["startIndex"][0])
        if start == self.fails_at:
            message = "https://services.nvd.nist.gov: answered 503"
            raise FeedError(message)
        records: list[dict[str, Any]] = [
            {"cve": {"id": f"CVE-2020-{number:05}"}}
            for number in range(start, min(start + 3, self.total))
        ]
        page = {"totalResults": self.total, "resultsPerPage": len(records), "format": "NVD_CVE"}
        return json.dumps(page | {"vulnerabilities": records}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(StoreLocation(f"sqlite:///{tmp_path}/s.sqlite3"), FixedClock()) as opened:
        yield opened


def load(store: Store, server: Nvd, clock: FixedClock, waits: list[float]) -> None:
    importer = Importer(store.vulnerabilities, clock)
    Downloader(importer, cast("Fetcher", server), waits.append).run(API)


def test_pages_are_got_one_by_one_and_gone_on_with(store: Store) -> None:
    clock, waits = FixedClock(1_700_000_000 * 10**9), list[float]()
    server = Nvd(10, fails_at=6)
    with pytest.raises(CveImportError, match="go on at record 6"):
        load(store, server, clock, waits)
    assert store.vulnerabilities.counts()["records"] == 6
    server.fails_at = -1
    load(store, server, clock, waits)
    assert store.vulnerabilities.counts()["records"] == 10
    assert [query["startIndex"][0] for query in server.asked] == ["0", "3", "6", "6", "9"]
    assert set(waits) == {6.0}


def test_later_only_what_changed_is_asked_for(store: Store) -> None:
    clock = FixedClock(1_700_000_000 * 10**9)
    load(store, Nvd(2), clock, [])
    clock.nanoseconds += 86_400 * 10**9
    later = Nvd(1)
    load(store, later, clock, [])
    assert later.asked[0]["lastModStartDate"] == ["2023-11-14T20:13:20.000+00:00"]
    clock.nanoseconds += 200 * 86_400 * 10**9
    much_later = Nvd(1)
    load(store, much_later, clock, [])
    assert "lastModStartDate" not in much_later.asked[0]
