"""Import of vulnerabilities, and matching of devices against them."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.devices.vulnerabilities.importing import Importer
from phage.devices.vulnerabilities.matching import Matcher
from phage.errors import PhageError
from phage.records.vulnerability import Software
from phage.store.store import Store, StoreLocation, open_store

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 30_000
PRODUCTS = 10_000
DEVICES = 10_000
PROGRAMS = 6
"""Programs seen on a device."""

COMMON = 150
"""How many programs make up most of what is seen: 10,000 devices run much the same."""

_SEED = 1


def write_feed(path: Path) -> None:
    """Write a feed of NVD: records of the usual size, some products with many."""
    chance = random.Random(_SEED)  # noqa: S311  Data.
    with path.open("w", encoding="utf-8") as file:
        head = {"resultsPerPage": RECORDS, "startIndex": 0, "totalResults": RECORDS,
                "format": "NVD_CVE", "version": "2.0"}  # fmt: skip
        file.write(json.dumps(head)[:-1] + ', "vulnerabilities": [')
        for number in range(RECORDS):
            file.write(("," if number else "") + json.dumps(_record(number, chance)))
        file.write("]}")


def _record(number: int, chance: random.Random) -> dict[str, object]:
    def match() -> dict[str, object]:
        product = min(int(chance.expovariate(0.0005)), PRODUCTS - 1)
        low, high = sorted((chance.randrange(20), chance.randrange(20)))
        return {
            "vulnerable": True,
            "criteria": f"cpe:2.3:a:vendor{product % 97}:product{product}:*:*:*:*:*:*:*:*",
            "versionStartIncluding": f"{low}.0",
            "versionEndExcluding": f"{high}.{chance.randrange(30)}.{chance.randrange(30)}",
            "matchCriteriaId": f"{chance.getrandbits(128):032X}",
        }

    score = {"type": "Primary", "source": "nvd@nist.gov", "cvssData": {
        "version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "baseScore": chance.randrange(100) / 10, "baseSeverity": "HIGH"}}  # fmt: skip
    nodes = [{"operator": "OR", "negate": False, "cpeMatch": [match() for _ in range(3)]}]
    return {
        "cve": {
            "id": f"CVE-2024-{number:05}",
            "sourceIdentifier": "cve@example.org",
            "published": "2024-01-01T00:00:00.000",
            "lastModified": "2024-01-02T00:00:00.000",
            "vulnStatus": "Analyzed",
            "descriptions": [{"lang": lang, "value": "A fault. " * 40} for lang in ("en", "es")],
            "metrics": {"cvssMetricV31": [score]},
            "weaknesses": [{"description": [{"lang": "en", "value": "CWE-787"}]}],
            "configurations": [{"nodes": nodes}],
            "references": [{"url": f"https://example.org/{n}", "tags": []} for n in range(5)],
        }
    }


def figures(folder: Path) -> dict[str, float]:
    """Return seconds of an import into a new store, and of matching all devices.

    The same with ".cpu" is processor time: what a machine that is busy otherwise would take.
    """
    feed = folder / "nvd.json"
    write_feed(feed)
    place = StoreLocation(f"sqlite:///{folder}/cves.sqlite3")
    with open_store(place, SystemClock()) as store:
        began, busy = time.perf_counter(), time.process_time()
        report = Importer(store.vulnerabilities, SystemClock()).run(feed)
        imported, worked = time.perf_counter() - began, time.process_time() - busy
        if report.count.new != RECORDS:
            message = f"{report.count.new} of {RECORDS} records were imported"
            raise PhageError(message)
        matched, matching = _match(store)
    return {
        "import": imported, "import.cpu": worked, "match": matched, "match.cpu": matching
    }  # fmt: skip


def _match(store: Store) -> tuple[float, float]:
    chance = random.Random(_SEED)  # noqa: S311  Data.
    devices = []
    for _ in range(DEVICES):
        names = []
        for _ in range(PROGRAMS):
            product = min(int(chance.expovariate(1 / COMMON)), PRODUCTS - 1)
            version = f"{chance.randrange(20)}.{chance.randrange(30)}"
            names.append(f"cpe:2.3:a:vendor{product % 97}:product{product}:{version}:*:*:*:*:*:*:*")
        devices.append([Software(name) for name in names])
    began, busy = time.perf_counter(), time.process_time()
    matcher = Matcher(store.vulnerabilities)
    for software in devices:
        matcher.affected(software)
    return time.perf_counter() - began, time.process_time() - busy
