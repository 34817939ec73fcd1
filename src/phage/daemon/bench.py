"""`phage bench`: what this machine can do, with a peer in the same run where there is one."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.collect.collectors.pcapfile import core_build as build
from phage.collect.packets import EngineSettings
from phage.daemon.benchmark import logs, peers, traffic
from phage.daemon.options import BenchOptions, BenchReport, Measurement
from phage.errors import PhageError
from phage.intel.index import PrefixSet, prefix_set_of_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.records import Window

# Runs of each figure; the median is told. Three keep a whole bench under some minutes.
RUNS = 3
FRAMES = 1_000_000
FLOOD_SOURCES = 1_000_000
# Packets to learn on before scoring is timed: enough that every phase of the model is behind.
LEARNED = 100_000

_BARE = {"flows": False, "applications": False, "volumes": False, "ring_octets": 0}
DECODE = {**_BARE, "scores": False}
KITSUNE = {**_BARE, "scores": True}
ALL: dict[str, bool | int] = {}
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


def _median(run: Callable[[], float]) -> float:
    run()
    return statistics.median(run() for _ in range(RUNS))


def decode_full(bench: Workbench) -> Measurement:
    """Measure reading and decoding whole packets from a file."""
    value = _median(lambda: packets_per_second(bench.busy, DECODE, train=0, skip=0))
    return Measurement(
        "decode.full", value, "packets/s", peers.STRUCT, peers.decode_rate(bench.busy)
    )


def path_kitsune(bench: Workbench) -> Measurement:
    """Measure decode, damped statistics, one ensemble, score."""
    value = _median(
        lambda: packets_per_second(bench.busy, KITSUNE, train=LEARNED, skip=2 * LEARNED)
    )
    return Measurement(
        "path.kitsune",
        value,
        "packets/s",
        peers.KITSUNE,
        peers.kitsune_rate(bench.busy, train=False),
    )


def path_kitsune_flood(bench: Workbench) -> Measurement:
    """Measure the same under a flood of spoofed sources."""
    value = _median(
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
    value = _median(
        lambda: packets_per_second(
            bench.busy, ALL, train=LEARNED, skip=2 * LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement("path.all", value, "packets/s")


def path_all_flood(bench: Workbench) -> Measurement:
    """Measure everything under a flood of spoofed sources."""
    value = _median(
        lambda: packets_per_second(
            bench.flood, ALL, train=LEARNED, skip=2 * LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement("path.all.flood", value, "packets/s")


def train(bench: Workbench) -> Measurement:
    """Measure learning with everything on."""
    value = _median(
        lambda: packets_per_second(
            bench.busy, ALL, train=10 * FRAMES, skip=LEARNED, prefixes=bench.prefixes
        )
    )
    return Measurement(
        "train", value, "packets/s", peers.KITSUNE, peers.kitsune_rate(bench.busy, train=True)
    )


def live_veth(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure minimum-size packets over a veth pair through Kitsune's path."""
    from phage.daemon.benchmark.live import live_rate  # noqa: PLC0415  Needs root; others do not.

    figures = live_rate()
    return (
        Measurement("live.veth", figures["rate"], "packets/s"),
        Measurement("live.veth.dropped", figures["dropped"], "packets"),
        Measurement("live.veth.cpu", figures["cpu"], "cores"),
    )


def home(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure `phage run` under home traffic: CPU at 100 Mbit/s, memory after an hour's packets."""
    from phage.daemon.benchmark.live import home_run  # noqa: PLC0415  Needs root; others do not.

    figures = home_run()
    return (
        Measurement("home.cpu", figures["cpu"], "cores"),
        Measurement("home.memory", figures["memory"], "bytes"),
    )


def collect_logs(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure lines of logs, from file to windows: syslog with every service, an access log."""
    system, access = bench.folder / "syslog", bench.folder / "access.log"
    logs.write_log(system, logs.LINES, attacks=0.4)
    logs.write_access_log(access, logs.LINES)
    return (
        Measurement(
            "collect.logs_lines",
            _median(lambda: logs.lines_per_second(system)[0]),
            "lines/s",
            logs.PEER,
            logs.peer_lines_per_second(system)[0],
        ),
        Measurement(
            "collect.logs_lines.access",
            _median(lambda: logs.lines_per_second(access, "nginx")[0]),
            "lines/s",
        ),
        Measurement("collect.logs_lines.memory", logs.peak_memory(), "bytes"),
    )


def export_decode(version: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures decoding flow exports from memory."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark import export  # noqa: PLC0415  Megabytes of datagrams.

        return tuple(
            Measurement(name, _median(each.rate), "records/s", export.PEER, each.peer_rate())
            for name, each in export.traffic(version)
        )

    return measure


def export_count(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure decoding and counting NetFlow 9 from memory; following its flows as well."""
    from phage.daemon.benchmark import collecting  # noqa: PLC0415  Megabytes of datagrams.

    path = bench.folder / "exports.tlp"
    collecting.write_recording(path)
    rates = [collecting.median(RUNS, path, flows=flows) for flows in (False, True)]
    return (
        Measurement("export.count.v9", rates[0], "records/s"),
        Measurement("export.count.v9.flows", rates[1], "records/s"),
    )


def export_socket(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure NetFlow 9 from a socket without loss: decoded, counted, followed."""
    from phage.daemon.benchmark import collecting  # noqa: PLC0415  Megabytes of datagrams.

    best = collecting.socket_rate()
    return (
        Measurement("export.socket.v9", best["rate"], "records/s"),
        Measurement("export.socket.v9.cpu", best["cpu"], "cores"),
    )


def flows_memory(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the memory of a collector: idle, 100,000 active hosts, a million forged exporters."""
    from phage.daemon.benchmark import collecting  # noqa: PLC0415  Megabytes of datagrams.

    return (
        Measurement("flows.memory", collecting.memory("hosts", bench.folder), "bytes"),
        Measurement("flows.memory.idle", collecting.memory("idle", bench.folder), "bytes"),
        Measurement(
            "flows.memory.exporters", collecting.memory("exporters", bench.folder), "bytes"
        ),
    )


def hostmode(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure counting minimum-size packets over a veth pair by host, prefix and request."""
    from phage.daemon.benchmark.live import HOST_MODE, live_rate  # noqa: PLC0415  Needs root.

    figures = live_rate(HOST_MODE)
    return (
        Measurement("hostmode.pps", figures["rate"], "packets/s"),
        Measurement("hostmode.pps.missed", figures["missed"], "packets"),
        Measurement("hostmode.pps.cpu_us", figures["user_us"], "us/packet"),
    )


def memory_idle(_bench: Workbench) -> Measurement:
    """Measure the proportional set size of `phage run` on a quiet interface."""
    from phage.daemon.benchmark.live import idle_memory  # noqa: PLC0415  Needs root; others do not.

    return Measurement("memory.idle", idle_memory(), "bytes")


def respond_finding_to_drop(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure from a finding to packets that are dropped, with 100,000 bans in force."""
    # Needs root; others do not.
    from phage.daemon.benchmark.desk import finding_to_drop  # noqa: PLC0415

    figures = finding_to_drop()
    return (
        Measurement("respond.finding_to_drop_ms", figures["median"], "ms"),
        Measurement("respond.finding_to_drop_ms.p99", figures["p99"], "ms"),
    )


def respond_latency(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure what 100,000 bans and a rule set cost those who are not blocked."""
    from phage.daemon.benchmark.latency import measure  # noqa: PLC0415  Needs root; others do not.

    cost = measure()
    bare = "the same router without rules"
    return (
        Measurement("respond.latency_us", cost.latency_added, "us"),
        Measurement("respond.round_trip_us", cost.latency_armed, "us", bare, cost.latency_bare),
        Measurement(
            "respond.throughput", cost.throughput_armed, "bit/s", bare, cost.throughput_bare
        ),
    )


def respond(name: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures blocking in the kernel, by name."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark.respond import figures  # noqa: PLC0415  Needs root; others do not.

        return tuple(Measurement(*each) for each in figures(name))

    return measure


def match(kind: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures look-ups of one kind of address, against each peer there is."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark import match as matching  # noqa: PLC0415  200 MB of addresses.

        value = _median(lambda: matching.rate(kind))
        return tuple(
            Measurement(f"match.{kind}", value, "lookups/s", peer, rate)
            for peer, rate in matching.peers(kind)
        )

    return measure


def match_memory(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the memory of the index, and the time to build it."""
    from phage.daemon.benchmark import match as matching  # noqa: PLC0415  200 MB of addresses.

    prefixes, seconds = matching.built()
    return (
        Measurement("match.memory", prefixes.octets(), "bytes"),
        Measurement("match.build_s", seconds, "s"),
    )


def intel_many(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the memory of ten million indicators of all kinds, kept and at the most."""
    from phage.daemon.benchmark.feeds import many_memory  # noqa: PLC0415  A minute of work.

    kept, most = many_memory()
    return (
        Measurement("intel.many_bytes", kept, "bytes"),
        Measurement("intel.many_peak_bytes", most, "bytes"),
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


def feeds_load(_bench: Workbench) -> Measurement:
    """Measure a million lines of lists from their text to an index in force."""
    from phage.daemon.benchmark.feeds import load_seconds  # noqa: PLC0415  20 MB of lists.

    return Measurement("feeds.load_s", _median(load_seconds), "s")


def scan_clean(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the verdict on one clean file that is new, over the light engines."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    figures = scan.single()
    return (
        Measurement("scan.clean_ms", figures["clean"], "ms"),
        Measurement("scan.clean_ms.p95", figures["clean_p95"], "ms"),
        Measurement("scan.clean_ms.engines", figures["engines"], "engines"),
    )


def scan_known(_bench: Workbench) -> Measurement:
    """Measure the verdict on one clean file that is known."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    return Measurement("scan.known_ms", scan.single()["known"], "ms")


def scan_rate(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure new files a second over the light engines, and what each costs."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    files, seconds = scan.rate()
    return (
        Measurement("scan.files_per_s", files, "files/s"),
        Measurement("scan.files_per_s.cpu", seconds * 1000, "ms/file"),
    )


def scan_over_clamd(_bench: Workbench) -> Measurement:
    """Measure ClamAV through phage against clamd alone."""
    from phage.daemon.benchmark import scan  # noqa: PLC0415  Needs the engines; others do not.

    ours, theirs = scan.over_clamd()
    return Measurement("scan.over_clamd", ours, "s", scan.PEER, theirs)


def devices_scan(job: str, name: str, share: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures a part of active scans."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        # Needs root; others do not.
        from phage.daemon.benchmark import discovery  # noqa: PLC0415

        found = discovery.figures(job)
        peer = discovery.PEER if "peer" in found else ""
        return (
            Measurement(name, found["seconds"], "s", peer, found.get("peer")),
            Measurement(f"{name}.{share}", found[share], "share"),
        )

    return measure


def devices_import_cve(bench: Workbench) -> Measurement:
    """Measure the import of 30,000 NVD records into a new store."""
    return Measurement("devices.import_cve_s", bench.cves["import"], "s")


def devices_match_cve(bench: Workbench) -> Measurement:
    """Measure 10,000 devices matched against 30,000 NVD records."""
    return Measurement("devices.match_cve_s", bench.cves["match"], "s")


def devices_import_oui(_bench: Workbench) -> Measurement:
    """Measure the import of all registries of MAC addresses."""
    from phage.daemon.benchmark import devices  # noqa: PLC0415  Needs the API.

    return Measurement("devices.import_oui_s", devices.import_seconds()[0], "s")


def devices_list(_bench: Workbench) -> Measurement:
    """Measure a list of ten thousand devices, from the store to JSON."""
    from phage.daemon.benchmark import devices  # noqa: PLC0415  Needs the API.

    return Measurement("devices.list_10k_ms", devices.list_milliseconds(), "ms")


def api_waits(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure how long 50 users wait for pages and answers over the store of a large network.

    In SQLite; PHAGE_BENCH_POSTGRES names an empty database to be filled and measured instead.
    """
    from phage.daemon.benchmark import api  # noqa: PLC0415  Some minutes of filling.
    from phage.store.store import StoreLocation  # noqa: PLC0415  As above.

    url = os.environ.get("PHAGE_BENCH_POSTGRES", "")
    patient, hasty = api.measure(StoreLocation(url) if url else None)
    return (
        Measurement("api.first_byte_ms", patient.median * 1000, "ms"),
        Measurement("api.first_byte_ms.p99", patient.p99 * 1000, "ms"),
        Measurement("api.answers", hasty.rate, "answers/s"),
    )


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One measurement by name."""

    name: str
    measure: Callable[[Workbench], Measurement | tuple[Measurement, ...]]


BENCHMARKS = (
    Benchmark("decode.full", decode_full),
    Benchmark("path.kitsune", path_kitsune),
    Benchmark("path.kitsune.flood", path_kitsune_flood),
    Benchmark("path.all", path_all),
    Benchmark("path.all.flood", path_all_flood),
    Benchmark("train", train),
    Benchmark("live.veth", live_veth),
    Benchmark("memory.idle", memory_idle),
    Benchmark("respond.ban_add_1m_ms", respond("respond.ban_add_1m_ms")),
    Benchmark("respond.load_1m_s", respond("respond.load_1m_s")),
    Benchmark("respond.drop_pps", respond("respond.drop_pps")),
    Benchmark("respond.latency_us", respond_latency),
    Benchmark("respond.finding_to_drop_ms", respond_finding_to_drop),
    Benchmark("collect.logs_lines", collect_logs),
    Benchmark("export.decode.v9", export_decode("v9")),
    Benchmark("export.decode.ipfix", export_decode("ipfix")),
    Benchmark("export.count.v9", export_count),
    Benchmark("export.socket.v9", export_socket),
    Benchmark("hostmode.pps", hostmode),
    Benchmark("flows.memory", flows_memory),
    Benchmark("match.ipv4.random", match("ipv4.random")),
    Benchmark("match.ipv4.hot", match("ipv4.hot")),
    Benchmark("match.ipv6.random", match("ipv6.random")),
    Benchmark("match.memory", match_memory),
    Benchmark("feeds.load_s", feeds_load),
    Benchmark("intel.many_bytes", intel_many),
    Benchmark("path.all.many", path_all_many),
    Benchmark("scan.clean_ms", scan_clean),
    Benchmark("scan.known_ms", scan_known),
    Benchmark("scan.files_per_s", scan_rate),
    Benchmark("scan.over_clamd", scan_over_clamd),
    Benchmark("devices.sweep_16_s", devices_scan("sweep", "devices.sweep_16_s", "found")),
    Benchmark("devices.ports_s", devices_scan("ports", "devices.ports_s", "answered")),
    Benchmark("devices.import_oui_s", devices_import_oui),
    Benchmark("devices.list_10k_ms", devices_list),
    Benchmark("devices.import_cve_s", devices_import_cve),
    Benchmark("devices.match_cve_s", devices_match_cve),
    Benchmark("api.first_byte_ms", api_waits),
    Benchmark("home", home),
)


def bench(options: BenchOptions) -> BenchReport:
    """Run the measurements that are named, or all. Raises PhageError for an unknown name."""
    wanted = options.names or ("*",)
    for name in wanted:
        if not any(fnmatchcase(each.name, name) for each in BENCHMARKS):
            known = ", ".join(each.name for each in BENCHMARKS)
            message = f"there is no measurement {name!r}; there are {known}"
            raise PhageError(message)
    chosen = [each for each in BENCHMARKS if any(fnmatchcase(each.name, name) for name in wanted)]
    results: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="phage-bench-") as folder:
        workbench = Workbench(Path(folder))
        for number, each in enumerate(chosen):
            options.progress(number, len(chosen))
            measured = each.measure(workbench)
            results += measured if isinstance(measured, tuple) else (measured,)
        options.progress(len(chosen), len(chosen))
    return BenchReport(machine(), tuple(results))


def machine() -> dict[str, object]:
    """Return what the figures were taken on: CPU, kernel of the core, cores, memory, system."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "kernel": build()["kernel"],
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
    }
