"""A million lines of lists: read, judged, joined to a catalog.

The lists are those in the folder `feeds` where PHAGE_PEER_DATA points, else made here in the same
sizes and shapes.
"""

from __future__ import annotations

import gc
import gzip
import os
import resource
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phage.daemon.benchmark.traffic import reported_prefixes
from phage.enforcer.process import release_memory
from phage.intel.catalog import Source, catalog_of
from phage.intel.guard import Guard
from phage.intel.networks import Networks, empty, joined
from phage.intel.plain import harvest_of
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.intel.catalog import Catalog

SIZES = {"one": 550_000, "two": 210_000, "three": 170_000, "four": 120_000}


@cache
def bodies() -> dict[str, bytes]:
    """Return the lists' texts by name."""
    place = os.environ.get("PHAGE_PEER_DATA", "")
    found = {}
    for file in sorted(Path(place, "feeds").glob("*/*.txt*")) if place else ():
        raw = file.read_bytes()
        found[f"{file.parent.name}-{file.name}"] = (
            gzip.decompress(raw) if file.suffix == ".gz" else raw
        )
    return found or {name: _made(name, count) for name, count in SIZES.items()}


def _made(name: str, count: int) -> bytes:
    rng = np.random.default_rng(len(name))
    rows = rng.integers(1, 255, (count, 4))
    rows[:, 0] = rng.choice(np.array([5, 45, 80, 91, 185]), count)
    return "\n".join(f"{a}.{b}.{c}.{d}" for a, b, c, d in rows.tolist()).encode()


def load_seconds() -> float:
    """Return how many seconds it takes from the lists' texts to a catalog."""
    texts = bodies()
    began = time.perf_counter()
    sources = [
        Source(name, Guard().judge(harvest_of(body).networks).networks)
        for name, body in texts.items()
    ]
    catalog_of(sources, 0)
    return time.perf_counter() - began


MANY = {"v4": 6_000_000, "v6": 1_000_000, "domains": 2_000_000, "hashes": 1_000_000}
"""Ten million indicators of all kinds."""


def many_memory() -> tuple[float, float]:
    """Return octets that ten million indicators take once they are loaded, and at the most.

    Measured in a process of its own, since memory that was used once is kept by it.
    """
    program = "from phage.daemon.benchmark.feeds import _measure_many; print(*_measure_many())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    kept, most = map(float, done.stdout.split())
    return kept, most


def many_catalog() -> Catalog:
    """Make a catalog of ten million indicators, in four feeds."""
    sources = [
        Source("one", _reported(1)),
        Source("two", _reported(2)),
        Source("names", empty(), _named(IndicatorKind.DOMAIN, MANY["domains"])),
        Source("files", empty(), _named(IndicatorKind.HASH, MANY["hashes"])),
    ]
    return catalog_of(sources, 0)


def _reported(seed: int) -> Networks:
    octets, lengths, _ = reported_prefixes(MANY["v4"] // 2, MANY["v6"] // 2, seed)
    return joined([Networks(octets, lengths)])


def _named(kind: IndicatorKind, count: int) -> Iterator[Indicator]:
    for number in range(count):
        value = f"host-{number}.example.com" if kind is IndicatorKind.DOMAIN else f"{number:064x}"
        yield Indicator(kind, value, "feed", 80, tags=("malware",), description="a botnet")


def _measure_many() -> tuple[int, int]:
    gc.collect()
    before = _resident()
    catalog = many_catalog()
    gc.collect()
    release_memory()
    kept = _resident() - before
    if not catalog.value(IndicatorKind.DOMAIN, f"host-{MANY['domains'] - 1}.example.com"):
        message = "an indicator is lost"
        raise AssertionError(message)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return kept, most


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
