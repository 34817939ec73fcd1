"""Flow exports collected: decoded and counted from memory, from a socket; memory under load."""

from __future__ import annotations

import json
import random
import statistics
import struct
import subprocess
import sys
import time
from functools import cache
from typing import IO, TYPE_CHECKING

from phage.collect.collectors.exportfile import ExportFileCollector
from phage.collect.datagrams import DatagramSender
from phage.collect.exports import ExportSettings
from phage.daemon.benchmark.export import FIELDS, RECORDS, TEMPLATE, Traffic
from phage.errors import PhageError

if TYPE_CHECKING:
    from pathlib import Path

DATAGRAMS = 8000
"""Datagrams of one run: 240,000 records."""

HOSTS = 40_960
"""Addresses of ours that the records tell of."""

RATES = (0.5e6, 1.0e6, 1.5e6, 2.0e6, 3.0e6)
"""Records a second that are sent; the highest without loss is told."""

SECONDS = 2.0

ACTIVE_HOSTS = 100_000
EXPORTERS = 1_000_000

_RECORD = struct.Struct(">4s4sIIIIIIIHHIIBBBBBBBH")


@cache
def datagrams() -> tuple[bytes, ...]:
    """Return a template and datagrams of NetFlow 9 as a router sends them: long and short flows."""
    frame = Traffic(9, FIELDS)
    source = random.Random(5)  # noqa: S311  Data, not secrets.
    data = [
        b"".join(_record(source, source.randrange(HOSTS)) for _ in range(RECORDS))
        for _ in range(DATAGRAMS)
    ]
    return (frame.template, *(_datagram(number, body) for number, body in enumerate(data, 1)))


def _record(source: random.Random, host: int) -> bytes:
    ours = (0x0A00_0000 + host).to_bytes(4, "big")
    theirs = (source.choice((93, 151, 23, 185)) << 24 | source.randrange(1 << 17)).to_bytes(
        4, "big"
    )
    ends = (ours, theirs) if source.random() < 0.5 else (theirs, ours)
    packets = min(int(source.paretovariate(1.1)), 100_000)
    last = 999_000 + source.randrange(900)
    first = max(0, last - source.choice((0, 0, 100, 2000, 30_000)))
    protocol = 6 if source.random() < 0.6 else 17
    return _RECORD.pack(
        *ends, 0, 1, 2, packets, packets * source.randrange(60, 1400), first, last,
        source.randrange(32_768, 65_536), 443, 0, 0, 24, 16, protocol, 0x1B, 0, 0, 64, 0,
    )  # fmt: skip


def _datagram(sequence: int, body: bytes) -> bytes:
    rest = struct.pack(">HH", TEMPLATE, len(body) + 4) + body
    return struct.pack(">HHIIII", 9, 1, 1_000_000, 1_700_000_000, sequence, 1) + rest


def write_recording(path: Path, exporters: int = 1, rate: float = 1_500_000.0) -> None:
    """Write the datagrams with times, as if so many records came a second.

    With several exporters each gives its template, and they take turns.
    """
    template, *data = datagrams()
    with path.open("wb") as file:
        for number, datagram in enumerate([template] * exporters + data):
            moment = 1_700_000_000 + number * RECORDS / rate
            source = struct.pack(">I", 1 + number % exporters)
            file.write(struct.pack("<dH", moment, len(datagram)))
            file.write(datagram[:16] + source + datagram[20:])


def count_rate(path: Path, *, flows: bool) -> float:
    """Return records a second of thread time: decoded, counted; with `flows`, followed as well."""
    collector = ExportFileCollector(ExportSettings(flows=flows, followed=1 << 40), [path])
    collector.open()
    began = time.thread_time()
    while not collector.engine.ended():
        collector.engine.next(0.1)
    passed = time.thread_time() - began
    records = collector.counters()["records"]
    collector.close()
    return records / passed


_RECEIVER = """
import json, sys, threading, time
from phage.collect.collectors.netflow import NetFlowCollector
from phage.collect.exports import ExportSettings, Listening
from phage.daemon import priority
collector = NetFlowCollector(ExportSettings(), Listening(udp=("127.0.0.1:0",)))
# As `phage run` does for the threads that empty sockets.
priority.allow()
priority.prefer([threading.get_native_id()])
collector.open()
print(collector.addresses[0][0], flush=True)
engine = collector.engine
for line in sys.stdin:
    until = time.monotonic() + float(line)
    spent = time.process_time()
    while time.monotonic() < until:
        engine.next(0.1)
    counters = engine.counters()
    print(json.dumps([counters["records"], counters["source.dropped"],
                      time.process_time() - spent]), flush=True)
"""


def socket_rate() -> dict[str, float]:
    """Return the highest rate of records that a socket takes without loss, and its CPU.

    A sender on another core sends at rising rates, each twice: another program on this machine may
    take the core for a moment.
    """
    data = list(datagrams())
    receiver = subprocess.Popen(
        [sys.executable, "-c", _RECEIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    best = {"rate": 0.0, "cpu": 0.0}
    try:
        assert receiver.stdin is not None  # noqa: S101  Pipes were asked for.
        assert receiver.stdout is not None  # noqa: S101
        sender = DatagramSender(receiver.stdout.readline().strip())
        sender.send(data[:1], count=1, seconds=1.0)
        _ask(receiver.stdin, receiver.stdout, 0.3)
        dropped = 0.0
        for rate in (each for each in RATES for _ in range(2)):
            print(SECONDS + 0.7, file=receiver.stdin, flush=True)
            began = time.monotonic()
            sent = sender.send(data, count=1 << 40, seconds=SECONDS, rate=rate / RECORDS)
            achieved = sent * RECORDS / (time.monotonic() - began)
            _, lost, cpu = json.loads(receiver.stdout.readline())
            if lost == dropped and achieved > best["rate"]:
                best = {"rate": achieved, "cpu": cpu / SECONDS}
            dropped = lost
    finally:
        receiver.kill()
        receiver.wait()
    return best


def _ask(asked: IO[str], told: IO[str], seconds: float) -> str:
    print(seconds, file=asked, flush=True)
    return told.readline()


_MEMORY = """
import sys
from pathlib import Path
from phage.daemon.benchmark import collecting
collecting.memory_probe(sys.argv[1], Path(sys.argv[2]))
print("loaded", flush=True)
sys.stdin.read()
"""


def memory(kind: str, folder: Path) -> float:
    """Return the proportional set size of a process after a load.

    Kinds: "idle"; "hosts", 100,000 active hosts of a /8; "exporters", a million forged exporters,
    each with a template.
    """
    # Not in the process that is measured, which imports this module.
    from phage.daemon.benchmark.live import proportional_set_size  # noqa: PLC0415

    with subprocess.Popen(
        [sys.executable, "-c", _MEMORY, kind, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as probe:
        assert probe.stdout is not None  # noqa: S101  Pipes were asked for.
        if not probe.stdout.readline():
            message = "measuring memory failed"
            raise PhageError(message)
        return float(proportional_set_size(probe.pid))


def memory_probe(kind: str, folder: Path) -> None:
    """Put a load on an engine of this process; it is left as it is then."""
    path = folder / f"{kind}.tlp"
    if kind != "idle":
        write_hosts(path) if kind == "hosts" else write_exporters(path)
    else:
        path.write_bytes(b"")
    collector = ExportFileCollector(ExportSettings(), [path])
    collector.open()
    path.unlink()
    while not collector.engine.ended():
        collector.engine.next(0.1)
    # What the file itself took is given back.
    collector.close()


def write_hosts(path: Path) -> None:
    """Write a second in which 100,000 hosts of 10.0.0.0/8 are active."""
    source = random.Random(6)  # noqa: S311  Data, not secrets.
    hosts = [number * 163 for number in range(ACTIVE_HOSTS)]
    with path.open("wb") as file:
        template = Traffic(9, FIELDS).template
        file.write(struct.pack("<dH", 1_700_000_000.0, len(template)) + template)
        for number in range(0, ACTIVE_HOSTS, RECORDS):
            body = b"".join(_record(source, host) for host in hosts[number : number + RECORDS])
            datagram = _datagram(number, body)
            moment = 1_700_000_000 + number / ACTIVE_HOSTS
            file.write(struct.pack("<dH", moment, len(datagram)) + datagram)


def write_exporters(path: Path) -> None:
    """Write templates of a million exporters: each with an observation domain of its own."""
    frame = Traffic(9, FIELDS[:6]).template
    with path.open("wb") as file:
        for number in range(EXPORTERS):
            datagram = frame[:16] + struct.pack(">I", number) + frame[20:]
            file.write(struct.pack("<dH", 1_700_000_000.0, len(datagram)) + datagram)


def median(runs: int, path: Path, *, flows: bool) -> float:
    """Return the median rate of several runs after one that warms up."""
    count_rate(path, flows=flows)
    return statistics.median(count_rate(path, flows=flows) for _ in range(runs))
