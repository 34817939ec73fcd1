"""What measurements are made with: a name, a folder of captures, the median of some runs."""

from __future__ import annotations

import statistics
from functools import cached_property
from typing import TYPE_CHECKING

from phage.daemon.benchmark import traffic
from phage.frozen import frozen
from phage.intel.index import PrefixSet, prefix_set_of_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phage.daemon.options import Measurement


# Runs of each figure; the median is told. Three keep a whole bench under some minutes.
RUNS = 3
FRAMES = 1_000_000
FLOOD_SOURCES = 1_000_000
# Packets to learn on before scoring is timed: enough that every phase of the model is behind.
LEARNED = 100_000
# Reported prefixes that every flow is looked up in when everything is on: IPv4, IPv6.
REPORTED = (1_000_000, 100_000)


class Workbench:
    """Capture files for the measurements, made once and removed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def busy(self) -> Path:
        """A busy network: a million frames of all lengths."""
        path = self.folder / "busy.pcap"
        traffic.write_pcap(path, traffic.busy_network(FRAMES))
        return path

    @cached_property
    def flood(self) -> Path:
        """A SYN flood from a million sources, after enough of the busy network to learn on."""
        path = self.folder / "flood.pcap"
        learned = traffic.busy_network(2 * LEARNED, seconds=20.0)
        flood = traffic.spoofed_flood(FRAMES, FLOOD_SOURCES)
        later = traffic.shifted(flood, int(learned.time[-1] - traffic.START) + 1_000_000)
        traffic.write_pcap(path, traffic.mixed(learned, later))
        return path

    @cached_property
    def prefixes(self) -> PrefixSet:
        """PrefixSet to look flows up in, as many as lists report."""
        return prefix_set_of_columns(*traffic.reported_prefixes(*REPORTED))

    @cached_property
    def cves(self) -> dict[str, float]:
        """Seconds of importing vulnerabilities, and of matching devices against them."""
        from phage.daemon.benchmark import vulnerabilities  # noqa: PLC0415  50 MB of records.

        return vulnerabilities.figures(self.folder)


def median(run: Callable[[], float]) -> float:
    """Return the median of some runs, after one to warm up."""
    run()
    return statistics.median(run() for _ in range(RUNS))


@frozen
class Benchmark:
    """One measurement by name."""

    name: str
    measure: Callable[[Workbench], Measurement | tuple[Measurement, ...]]
