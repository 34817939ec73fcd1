"""The daemon at work: live rings, logs, exporters of flows, memory and CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.daemon.benchmark import logs
from phage.daemon.benchmark.workbench import RUNS, Benchmark, Workbench, median
from phage.daemon.options import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable


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


def memory_idle(_bench: Workbench) -> tuple[Measurement, ...]:
    """Measure the proportional set size of `phage run` on a quiet interface."""
    from phage.daemon.benchmark.live import idle_memory  # noqa: PLC0415  Needs root; others do not.

    quiet, visited, alone = idle_memory()
    return (
        Measurement("memory.idle", quiet, "bytes"),
        Measurement("memory.idle.visited", visited, "bytes"),
        Measurement("memory.idle.visited.alone", alone, "bytes"),
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


def collect_logs(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure lines of logs, from file to windows: syslog with every service, an access log."""
    system, access = bench.folder / "syslog", bench.folder / "access.log"
    logs.write_log(system, logs.LINES, attacks=0.4)
    logs.write_access_log(access, logs.LINES)
    return (
        Measurement(
            "collect.logs_lines",
            median(lambda: logs.lines_per_second(system)[0]),
            "lines/s",
            logs.PEER,
            logs.peer_lines_per_second(system)[0],
        ),
        Measurement(
            "collect.logs_lines.access",
            median(lambda: logs.lines_per_second(access, "nginx")[0]),
            "lines/s",
        ),
        Measurement("collect.logs_lines.memory", logs.peak_memory(), "bytes"),
    )


def export_decode(version: str) -> Callable[[Workbench], tuple[Measurement, ...]]:
    """Return what measures decoding flow exports from memory."""

    def measure(_bench: Workbench) -> tuple[Measurement, ...]:
        from phage.daemon.benchmark import export  # noqa: PLC0415  Megabytes of datagrams.

        return tuple(
            Measurement(name, median(each.rate), "records/s", export.PEER, each.peer_rate())
            for name, each in export.traffic(version)
        )

    return measure


def export_count(bench: Workbench) -> tuple[Measurement, ...]:
    """Measure decoding and counting NetFlow 9 from memory.

    Also of two exporters, so that flows are compared; and following the flows as well.
    """
    from phage.daemon.benchmark import collecting  # noqa: PLC0415  Megabytes of datagrams.

    path = bench.folder / "exports.tlp"
    collecting.write_recording(path)
    rates = [collecting.median(RUNS, path, flows=flows) for flows in (False, True)]
    collecting.write_recording(path, exporters=2)
    compared = collecting.median(RUNS, path, flows=False)
    return (
        Measurement("export.count.v9", rates[0], "records/s"),
        Measurement("export.count.v9.compared", compared, "records/s"),
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


BENCHMARKS = (
    Benchmark("live.veth", live_veth),
    Benchmark("memory.idle", memory_idle),
    Benchmark("home", home),
    Benchmark("hostmode.pps", hostmode),
    Benchmark("collect.logs_lines", collect_logs),
    Benchmark("export.decode.v9", export_decode("v9")),
    Benchmark("export.decode.ipfix", export_decode("ipfix")),
    Benchmark("export.count.v9", export_count),
    Benchmark("export.socket.v9", export_socket),
    Benchmark("flows.memory", flows_memory),
)
