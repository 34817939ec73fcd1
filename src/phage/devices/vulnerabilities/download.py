"""Gets vulnerabilities from where they are published, and imports what came.

NVD's API gives pages of 2,000 records and asks for six seconds between two requests (0.6 with a
key); what is there already is asked for by the time of its last change. Anything else is one
document.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from phage.devices.vulnerabilities.importing import CveImportError, Importer, ImportReport
from phage.errors import PhageError
from phage.records.cveimport import ImportMark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phage.intel.fetch import Fetcher

PUBLISHED = (
    "https://services.nvd.nist.gov/rest/json/cves/2.0",
    "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    "https://epss.empiricalsec.com/epss_scores-current.csv.gz",
)
"""NVD, CISA's KEV, FIRST's EPSS."""

API_PATH = "/cves/2.0"
PAGE = 2000
PAUSE_SECONDS = 6.0
PAUSE_WITH_KEY_SECONDS = 0.6
LONGEST_SPAN = timedelta(days=120)
"""The longest time between two dates that NVD's API answers."""

OVERLAP = timedelta(hours=2)
"""Asked for again: clocks differ, and records appear late."""


@dataclass
class Downloader:
    """Imports from URLs.

    Attributes:
        importer: Imports what came.
        fetcher: Gets documents.
        wait: Waits for some seconds.
        key: NVD's API key; '' for none.
        progress: Told how many records of how many came.
    """

    importer: Importer
    fetcher: Fetcher
    wait: Callable[[float], object]
    key: str = ""
    progress: Callable[[int, int], None] = lambda _done, _whole: None
    _headers: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._headers = {"apiKey": self.key} if self.key else {}

    def run(self, url: str) -> ImportReport:
        """Import a document or all pages of an API. Raises PhageError; what came before stays."""
        with tempfile.TemporaryDirectory(prefix="phage-cve-") as folder:
            if urlsplit(url).path.rstrip("/").endswith(API_PATH):
                self._pages(url, Path(folder))
            else:
                body = self.fetcher.get(url, self._headers, conditional=False)
                self._import(body, Path(folder), url)
        return self.importer.report

    def _import(self, body: bytes, folder: Path, url: str) -> None:
        name = Path(urlsplit(url).path).name or "document"
        path = folder / name.removesuffix(".gz")  # It is unpacked already.
        path.write_bytes(body)
        faulty = self.importer.report.faulty
        self.importer.run(path)
        if self.importer.report.faulty > faulty:
            message = f"{url}: {self.importer.report.faults[-1].removeprefix(f'{path}: ')}"
            raise CveImportError(message)

    def _pages(self, url: str, folder: Path) -> None:
        shelf, now = self.importer.shelf, self.importer.clock.now()
        mark = shelf.marks(url)
        if mark.is_whole or not mark.digest:
            begun = datetime.fromtimestamp(now / 1e9, UTC)
            mark = ImportMark(url, _span(mark.released, begun) or "all", 0, _text(begun), now)
        while True:
            done, total = self._page(url, mark, folder)
            self.progress(done, total)
            mark = ImportMark(url, mark.digest, done, mark.released, self.importer.clock.now())
            if done >= total:
                break
            shelf.mark(mark)
            self.wait(PAUSE_WITH_KEY_SECONDS if self.key else PAUSE_SECONDS)
        shelf.mark(ImportMark(url, mark.digest, -1, mark.released, self.importer.clock.now()))

    def _page(self, url: str, mark: ImportMark, folder: Path) -> tuple[int, int]:
        """Import the next page; return how many records are done, and of how many."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        if mark.digest != "all":
            query |= dict(parse_qsl(mark.digest))
        query |= {"resultsPerPage": str(PAGE), "startIndex": str(mark.done)}
        asked = parts._replace(query=urlencode(query)).geturl()
        try:
            body = self.fetcher.get(asked, self._headers, conditional=False)
            page = json.loads(body)
            total, count = int(page["totalResults"]), len(page["vulnerabilities"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{url}: page from record {mark.done}: is no page of NVD's API: {error}"
            raise CveImportError(message) from error
        except PhageError as error:
            message = f"{error}; what came is stored: run it again to go on at record {mark.done:,}"
            raise CveImportError(message) from error
        if count == 0:
            return total, total
        self._import(body, folder, url)
        return mark.done + count, total


def _span(before: str, now: datetime) -> str:
    """Return the query for what changed since a time; '' where all is to be got."""
    try:
        since = datetime.fromisoformat(before) - OVERLAP
    except ValueError:
        return ""
    if not timedelta(0) <= now - since <= LONGEST_SPAN:
        return ""
    return urlencode({"lastModStartDate": _text(since), "lastModEndDate": _text(now)})


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
