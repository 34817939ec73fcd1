"""From packets to scores: the decoders' rate, Kitsune's path, everything on, learning."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.collect.packets import EngineSettings
from phage.daemon.benchmark import peers
from phage.daemon.benchmark.workbench import FRAMES, LEARNED, RUNS, Benchmark, Workbench, median
from phage.daemon.options import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.intel.index import PrefixSet
    from phage.records import Window


_BARE = {"flows": False, "applications": False, "volumes": False, "ring_octets": 0}
DECODE = {**_BARE, "scores": False}
KITSUNE = {**_BARE, "scores": True}
ALL: dict[str, bool | int] = {}


def packets_per_second(
    path: Path,
    settings: dict[str, bool | int],
    *,
    train: int,
    skip: int,
    prefixes: PrefixSet | None = None,
) -> float:
    """Return packets a second of thread time over the packets after `skip`."""
    collector = PcapFileCollector(EngineSettings(train=train, **settings), [str(path)])  # type: ignore[arg-type]
    collector.open()
    if prefixes is not None:
        collector.match(prefixes)
    seen = timed = 0
    began = time.thread_time()
    windows: Iterator[Window] = collector.windows()
    for window in windows:
        seen += window.packets
        if seen <= skip:
            timed, began = seen, time.thread_time()
    passed = time.thread_time() - began
    collector.close()
    return (seen - timed) / passed


def decode_full(bench: Workbench) -> Measurement:
    """Measure reading and decoding whole packets from a file."""
    value = median(lambda: packets_per_second(bench.busy, DECODE, train=0, skip=0))
    return Measurement(
        "decode.full", value, "packets/s", peers.STRUCT, peers.decode_rate(bench.busy)
    )


def path_kitsune(bench: Workbench) -> Measurement:
    """Measure decode, damped statistics, one ensemble, score."""
    value = median(lambda: packets_per_second(bench.busy, KITSUNE, train=LEARNED, skip=2 * LEARNED))
    return Measurement(
        "path.kitsune",
        value,
        "packets/s",
        peers.KITSUNE,
        peers.kitsune_rate(bench.busy, train=False),
    )


def path_kitsune_flood(bench: Workbench) -> Measurement:
    """Measure the same under a flood of spoofed sources."""
    value = median(
        lambda: packets_per_second(bench.flood, KITSUNE, train=LEARNED, skip=2 * LEARNED)
    )
    return Measurement(
        "path.kitsune.flood",
        value,
        "packets/s",
        peers.KITSUNE,
        peers.kitsune_rate(bench.flood, train=False, skip=2 * LEARNED),
    )


def path_all(bench: Workbench) -> Measurement:
    """Measure everything: flows, matching, behaviour, both ensembles, messages, the ring."""
    value = median(
        lambda: packets_per_second(
            bench.busy, ALL, train=LEARNED, skip=2 * LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement("path.all", value, "packets/s")


def path_all_flood(bench: Workbench) -> Measurement:
    """Measure everything under a flood of spoofed sources."""
    value = median(
        lambda: packets_per_second(
            bench.flood, ALL, train=LEARNED, skip=2 * LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement("path.all.flood", value, "packets/s")


def train(bench: Workbench) -> Measurement:
    """Measure learning with everything on."""
    value = median(
        lambda: packets_per_second(
            bench.busy, ALL, train=10 * FRAMES, skip=LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement(
        "train", value, "packets/s", peers.KITSUNE, peers.kitsune_rate(bench.busy, train=True)
    )


def path_all_many(bench: Workbench) -> Measurement:
    """Measure the whole path with ten million indicators, against none in the same run."""
    from phage.daemon.benchmark.feeds import many_catalog  # noqa: PLC0415  A minute of work.

    many = many_catalog().prefixes

    def rate(prefixes: PrefixSet | None) -> float:
        return packets_per_second(
            bench.busy, ALL, train=LEARNED, skip=2 * LEARNED, prefixes=prefixes
        )

    rounds = [(rate(many), rate(None)) for _ in range(RUNS)]  # In turn: machines have moods.
    loaded, bare = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Measurement("path.all.many", loaded, "packets/s", "no indicators", bare)


BENCHMARKS = (
    Benchmark("decode.full", decode_full),
    Benchmark("path.kitsune", path_kitsune),
    Benchmark("path.kitsune.flood", path_kitsune_flood),
    Benchmark("path.all", path_all),
    Benchmark("path.all.flood", path_all_flood),
    Benchmark("train", train),
    Benchmark("path.all.many", path_all_many),
)
