"""`phage replay`: capture files through the whole way, as fast as they can be read."""

from __future__ import annotations

import resource
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phage.clock import SystemClock, rfc3339
from phage.collect.collectors.exportfile import ExportFileCollector
from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.config.statedir import StateDirectory
from phage.daemon.devices import make_devices
from phage.daemon.engine import engine_settings
from phage.daemon.evidence import EvidenceFolder
from phage.daemon.exports import export_settings
from phage.daemon.options import ReplayOptions, ReplayReport
from phage.daemon.pipeline import Pipeline, make_detectors, make_knowledge
from phage.daemon.scorefile import ScoreFile
from phage.daemon.storesink import StoreSink, start_writer
from phage.errors import CaptureError, StateError, StoreError
from phage.learn.model import StateFolder, names_of
from phage.learn.models.ensemble import EnsembleModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.collect.collector import Collector
    from phage.daemon.pipeline import Sink
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window

# A replay is the same on every run: the seed of hashes and models is fixed.
REPLAY_SEED = 1
# Windows of a sparse capture may be this long, so that a week is not a million of them.
LONGEST_TICK_MS = 2000
# Files that hold datagrams of exporters behind their lengths; captures of them look like any other.
DATAGRAM_SUFFIXES = {".lp", ".tlp"}

COMPRESSED = {".gz", ".zst"}
# Octets of a packet's own header in a pcap file.
RECORD_HEADER = 16


@dataclass
class _Findings:
    """Keeps the latest state of every finding, and the span of the packets."""

    latest: dict[str, Finding] = field(default_factory=dict)
    first: int = 0
    last: int = 0

    def window(self, window: Window) -> None:
        """Note the times."""
        if window.packets:
            self.first = self.first or window.start
            self.last = max(self.last, window.end)

    def decided(self, outcome: Outcome) -> None:
        """Nothing is decided in a replay."""

    def finding(self, finding: Finding) -> None:
        """Keep a finding; one that became a part of another is no longer one."""
        if finding.state in {"open", "closed"}:
            self.latest[finding.id] = finding
        else:
            self.latest.pop(finding.id, None)

    def close(self) -> None:
        """Nothing is left to write."""


def replay(options: ReplayOptions) -> ReplayReport:
    """Read capture files and return what happened in them.

    Raises PhageError for what the user can mend: a wrong filter, a model that cannot be used. A
    file that is damaged is read up to the fault, which is a warning.
    """
    began = time.perf_counter()
    settings = options.settings
    collector = _collector(options)
    warnings: list[str] = []
    try:
        collector.open()
    except CaptureError as error:
        return _report(options, _Findings(), {}, [str(error)], time.perf_counter() - began)
    if options.model is not None:
        _load(collector, options.model, warnings)
    kept = _Findings()
    sinks: list[Sink] = [kept]
    evidence = None
    devices = None
    try:
        state = StateDirectory(settings.state_folder)
        state.create()
        # What a capture shows may be years old: nothing is swept away because of a replay.
        writer = start_writer(settings, SystemClock(), retention=False)
        sinks.append(StoreSink(writer, flows=False))
        evidence = EvidenceFolder(state.captures)
        devices = make_devices(
            settings, state, SystemClock(), options.home, kept=options.keep_devices
        )
        devices.load()
    except (StateError, StoreError) as error:
        warnings.append(f"findings are not kept: {error}")
    pipeline = Pipeline(
        make_detectors(settings, SystemClock()),
        make_knowledge(settings, options.home),
        sinks,
        evidence,
        devices=devices,
    )
    scores = ScoreFile(options.scores) if options.scores is not None else None
    _run(options, collector, pipeline, scores, warnings)
    # What ended the reading is among the warnings already.
    warnings += [fault for fault in collector.faults() if fault not in warnings]
    counters = collector.counters()
    collector.close()
    return _report(options, kept, counters, warnings, time.perf_counter() - began)


def _collector(options: ReplayOptions) -> PcapFileCollector | ExportFileCollector:
    """Make what reads the files: as packets, or as datagrams of exporters."""
    paths = [Path(name) for name in options.files]
    if options.exports or all(path.suffix in DATAGRAM_SUFFIXES for path in paths):
        exports = export_settings(options.settings, seed=REPLAY_SEED, home=options.home)
        return ExportFileCollector(exports, paths, expression=options.filter or None)
    settings = engine_settings(
        options.settings,
        seed=REPLAY_SEED,
        train=options.train,
        home=options.home,
        keep_scores=options.scores is not None,
        longest_tick_ms=LONGEST_TICK_MS,
    )
    return PcapFileCollector(settings, options.files, options.filter or None)


def _run(
    options: ReplayOptions,
    collector: Collector,
    pipeline: Pipeline,
    scores: ScoreFile | None,
    warnings: list[str],
) -> None:
    whole, done = _size(options.files), 0
    try:
        if scores is not None:
            scores.open()
        for window in collector.windows():
            pipeline.take(window, collector)
            if scores is not None:
                scores.write(collector.scores())
            done += window.octets + RECORD_HEADER * window.packets
            options.progress(done, whole)
    except CaptureError as error:
        warnings.append(str(error))
    finally:
        if scores is not None:
            scores.write(collector.scores())
            scores.close()
        pipeline.finish()
    if scores is not None and scores.fault:
        warnings.append(scores.fault)
    warnings += [
        f"detector {runner.name} failed {runner.failures} times: {runner.last_error}"
        for runner in pipeline.detectors
        if runner.failures
    ]


def _size(files: Sequence[str]) -> int:
    """Return the octets of all files; 0 where that cannot be known, as of what is compressed."""
    sizes = 0
    for path in map(Path, files):
        if path.suffix in COMPRESSED or not path.is_file():
            return 0
        sizes += path.stat().st_size
    return sizes


def _load(collector: Collector, folder: Path, warnings: list[str]) -> None:
    """Take over the state that was saved last: of a run with several rings each has its own."""
    model = EnsembleModel(collector.save_model, collector.load_model)
    names = [name for name in names_of(folder) if name.partition("-")[0] == model.name]
    for name in names:
        saved, problems = StateFolder(folder, name, SystemClock()).load(model)
        warnings += problems
        if saved is not None:
            if len(names) > 1:
                warnings.append(f"{folder} holds {len(names)} models; {saved.path.name} is used")
            return
    message = f"{folder} holds no model that can be used"
    raise StateError("; ".join([message, *warnings]))


MALFORMED = "malformed."


def _report(
    options: ReplayOptions,
    kept: _Findings,
    counters: Mapping[str, int],
    warnings: Sequence[str],
    seconds: float,
) -> ReplayReport:
    packets = counters.get("packets", 0)
    source = {
        "files": list(options.files),
        "packets": packets,
        "bytes": counters.get("octets", 0),
        "flows": counters.get("flows.started", 0),
        "first_seen": rfc3339(kept.first) if packets else None,
        "last_seen": rfc3339(kept.last) if packets else None,
        "decode_errors": {
            name.removeprefix(MALFORMED): count
            for name, count in counters.items()
            if name.startswith(MALFORMED)
        },
        "dropped": counters.get("source.dropped", 0),
    }
    performance = {
        "wall_seconds": round(seconds, 6),
        "packets_per_second": round(packets / seconds, 1) if seconds else 0.0,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": threading.active_count(),
    }
    findings = sorted(kept.latest.values(), key=lambda each: (each.first_seen, each.id))
    nothing = packets == 0 and bool(warnings)
    return ReplayReport(source, tuple(findings), performance, tuple(warnings), unreadable=nothing)
