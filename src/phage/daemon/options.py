"""What the long-running commands are asked to do, and what they answer.

The contract with the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from phage.config.settings import Settings
    from phage.policy.desk import Outcome
    from phage.records import Finding

Progress = Callable[[int, int], None]
"""Called now and then with (done, whole): octets of the input; whole is 0 where it is unknown."""


def no_word(text: str) -> None:
    """Say nothing."""


def no_finding(finding: Finding) -> None:
    """Tell nobody."""


def no_outcome(outcome: Outcome) -> None:
    """Tell nobody."""


def no_progress(done: int, whole: int) -> None:
    """Report nothing."""


@frozen
class RunOptions:
    """Options of `phage run`.

    Attributes:
        settings: The settings in force; command-line options are merged into them already.
        interfaces: Interfaces to watch; empty: those of the settings, else that of the default
            route.
        settings_file: The settings file in use; None for none.
        ready: Called when a part runs, with what there is to say ("watching eth0, ...").
        found: Told a finding when it opens and when it ends.
        decided: Told what was decided about a finding.
    """

    settings: Settings
    interfaces: tuple[str, ...] = ()
    settings_file: Path | None = None
    ready: Callable[[str], None] = no_word
    found: Callable[[Finding], None] = no_finding
    decided: Callable[[Outcome], None] = no_outcome


@frozen
class ReplayOptions:
    """Options of `phage replay`.

    Attributes:
        settings: The settings in force.
        files: Capture files in the order given; `-` is standard input.
        train: Packets to learn from; None: until the model says that it has converged.
        model: Folder of a saved model to score with instead of learning.
        filter: Packet filter in the pcap filter language; '' for every packet.
        scores: CSV file to write `packet,score` to, a row for each packet of the input.
        home: Networks that are ours, as CIDR; empty: those of the settings, else private ones.
        exports: The captures hold datagrams of flow exporters.
        keep_devices: Know the devices of the store, and keep in it what the captures show of them;
            else the replay is the same whatever is in the store.
        progress: Told how far the reading has come.
    """

    settings: Settings
    files: tuple[str, ...]
    train: int | None = None
    model: Path | None = None
    filter: str = ""
    scores: Path | None = None
    home: tuple[str, ...] = ()
    exports: bool = False
    keep_devices: bool = False
    progress: Progress = no_progress


@frozen
class ReplayReport:
    """What a replay found; `phage replay --output json` prints it as it stands here.

    Attributes:
        source: files, packets, bytes, flows, first_seen, last_seen, decode_errors by kind, dropped.
        findings: In the order of `first_seen`.
        performance: wall_seconds, packets_per_second, peak_rss_bytes, threads.
        warnings: What was wrong with the input, with file and offset.
        unreadable: Nothing could be read at all.
    """

    source: Mapping[str, object]
    findings: tuple[Finding, ...]
    performance: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    unreadable: bool = False


@frozen
class BenchOptions:
    """Options of `phage bench`.

    Attributes:
        settings: The settings in force.
        names: Measurements to make, by name; empty for all. A name ending in `.*` takes a family.
        seconds: How long each measurement runs at least.
        progress: Told (done, whole) in measurements.
    """

    settings: Settings
    names: tuple[str, ...] = ()
    seconds: float = 2.0
    progress: Progress = no_progress


@frozen
class Measurement:
    """One figure of `phage bench`, with the peer's where a peer was measured in the same run."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None


@frozen
class BenchReport:
    """What `phage bench` measured.

    The machine (cpu, cores, memory, system), and a row for each figure.
    """

    machine: Mapping[str, object]
    results: tuple[Measurement, ...] = field(default=())
