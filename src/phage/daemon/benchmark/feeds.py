"""A million lines of lists: read, judged, joined to a catalog.

The lists are those in the folder `feeds` where PHAGE_PEER_DATA points, else made here in the same
sizes and shapes.
"""

from __future__ import annotations

import gzip
import os
import time
from functools import cache
from pathlib import Path

import numpy as np

from phage.intel.catalog import Source, catalog_of
from phage.intel.guard import Guard
from phage.intel.plain import harvest_of

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
