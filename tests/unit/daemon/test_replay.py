"""A capture file through the whole way: findings, scores, totals, faults."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from phage.api.shapes import finding_shape
from phage.clock import SystemClock
from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.config.load import load_settings
from phage.daemon.benchmark import traffic
from phage.daemon.engine import engine_settings
from phage.daemon.options import ReplayOptions, ReplayReport
from phage.daemon.replay import replay
from phage.errors import PhageError, StateError
from phage.learn.model import StateFolder
from phage.records.catalog import feature_catalog
from phage.store.store import StoreLocation, open_store

SCANNER, VICTIM = 0x0A000063, 0x0A000005
BEHAVIOUR = 32
"""Features of a device's own ensemble; those of the network's follow in the catalog."""


def port_scan(ports: int, start: float) -> traffic.Frames:
    """Make a SYN scan of one host in which every port refuses."""
    count = 2 * ports
    reply = np.arange(count) % 2 == 1
    port = (np.arange(count) // 2 + 1).astype(np.uint16)
    mac = [np.uint64(0x02_00_00_00_00_00 + host) for host in (SCANNER & 0xFF, VICTIM & 0xFF)]
    return traffic.Frames(
        time=traffic.START + int(start * 1e9) + np.arange(count) * 5_000_000,
        src_mac=np.where(reply, mac[1], mac[0]),
        dst_mac=np.where(reply, mac[0], mac[1]),
        src=np.where(reply, VICTIM, SCANNER).astype(np.uint32),
        dst=np.where(reply, SCANNER, VICTIM).astype(np.uint32),
        src_port=np.where(reply, port, 40_000).astype(np.uint16),
        dst_port=np.where(reply, 40_000, port).astype(np.uint16),
        protocol=np.full(count, 6, dtype=np.uint8),
        flags=np.where(reply, 0x14, 0x02).astype(np.uint8),
        length=np.full(count, 60, dtype=np.int64),
    )


def talk(count: int, start: float, apart: float, length: int, clients: int) -> traffic.Frames:
    """Make regular conversations of clients from 10.0.0.16 on with a server."""
    number = np.arange(count)
    reply = number % 2 == 1
    client, server = 0x0A000010 + number // 2 % clients, 0x0A000009
    mac = 0x02_00_00_00_00_00
    return traffic.Frames(
        time=traffic.START + int(start * 1e9) + number * int(apart * 1e9),
        src_mac=np.where(reply, mac + (server & 255), mac + (client & 255)).astype(np.uint64),
        dst_mac=np.where(reply, mac + (client & 255), mac + (server & 255)).astype(np.uint64),
        src=np.where(reply, server, client).astype(np.uint32),
        dst=np.where(reply, client, server).astype(np.uint32),
        src_port=np.where(reply, 8883, 40_000).astype(np.uint16),
        dst_port=np.where(reply, 40_000, 8883).astype(np.uint16),
        protocol=np.full(count, 6, dtype=np.uint8),
        flags=np.full(count, 0x10, dtype=np.uint8),
        length=np.where(reply, 60, length),
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "scan.pcap"
    frames = traffic.mixed(traffic.busy_network(20_000, seconds=60.0), port_scan(300, 40.0))
    traffic.write_pcap(path, frames)
    return path


def run(
    tmp_path: Path,
    *files: Path,
    train: int | None = None,
    scores: Path | None = None,
    keep_devices: bool = False,
) -> ReplayReport:
    settings = load_settings(overrides={("state_dir",): str(tmp_path / "state")})
    names = tuple(map(str, files))
    return replay(
        ReplayOptions(settings, names, train=train, scores=scores, keep_devices=keep_devices)
    )


def test_a_scan_is_one_finding_and_every_packet_is_counted(scan: Path, tmp_path: Path) -> None:
    report = run(tmp_path, scan)
    assert report.source["packets"] == 20_600
    assert (
        report.source["bytes"]
        == int(traffic.busy_network(20_000, seconds=60.0).length.sum()) + 36_000
    )
    assert report.source["decode_errors"] == {}
    scans = [finding for finding in report.findings if finding.detector == "portscan"]
    assert [finding.subject.ip for finding in scans] == ["10.0.0.99"]
    assert scans[0].peers[0].ip == "10.0.0.5"
    assert scans[0].state == "closed"
    capture = tmp_path / "state" / "captures" / scans[0].capture
    assert capture.read_bytes()[:4] == bytes.fromhex("4d3cb2a1")


def test_a_replay_is_the_same_on_every_run(scan: Path, tmp_path: Path) -> None:
    shapes = [
        json.dumps(
            [
                finding_shape(each)
                for each in run(tmp_path / str(number), scan, train=5000).findings
            ],
            sort_keys=True,
        )
        for number in range(2)
    ]
    assert shapes[0] == shapes[1]


def test_devices_of_a_capture_are_kept_only_when_asked_for(scan: Path, tmp_path: Path) -> None:
    for keep in (False, True):
        run(tmp_path, scan, train=5000, keep_devices=keep)
        place = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
        with open_store(place, SystemClock()) as store:
            assert (store.devices.count() > 0) == keep
            assert bool(store.profiles.list(10)) == keep


def test_every_packet_has_a_row_of_scores(scan: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    run(tmp_path, scan, train=5000, scores=scores)
    lines = scores.read_text().splitlines()
    assert lines[0] == "packet,score"
    rows = [line.split(",") for line in lines[1:]]
    assert [int(number) for number, _ in rows] == list(range(20_600))
    assert all(score == "" for _, score in rows[:5000])
    assert all(0 <= float(score) <= 12 for _, score in rows[5000:])


def test_the_models_of_a_run_are_taken(scan: Path, tmp_path: Path) -> None:
    settings = load_settings(overrides={("state_dir",): str(tmp_path / "state")})
    engine = PcapFileCollector(engine_settings(settings, seed=1), [])
    for name in ("ensemble-eth0-0", "ensemble-eth1-1"):
        StateFolder(tmp_path, name, SystemClock()).save(engine.save_model())
    (tmp_path / "baseline.1.model").write_bytes(b"another kind")
    report = replay(ReplayOptions(settings, (str(scan),), model=tmp_path))
    (warning,) = report.warnings
    assert "2 models" in warning
    with pytest.raises(StateError, match="no model"):
        replay(ReplayOptions(settings, (str(scan),), model=tmp_path / "state"))


def test_a_full_disk_ends_the_scores_and_not_the_replay(scan: Path, tmp_path: Path) -> None:
    report = run(tmp_path, scan, scores=Path("/dev/full"))
    assert report.warnings == ("/dev/full: the scores are not complete: No space left on device",)
    assert [finding.detector for finding in report.findings] == ["portscan"]


def test_a_finding_names_features_of_both_ensembles(upload: Path, tmp_path: Path) -> None:
    (finding,) = [
        each
        for each in run(tmp_path, upload, train=25_000).findings
        if each.detector == "anomaly" and each.subject.ip == "10.0.0.16"
    ]
    catalog = [name for name, _, _ in feature_catalog()]
    features = {catalog.index(feature.name): feature for feature in finding.features}
    assert min(features) < BEHAVIOUR <= max(features)
    for place, feature in features.items():
        assert feature.unit, feature
        assert feature.meaning, feature
        if place >= BEHAVIOUR:
            assert feature.value > feature.expected_high > feature.expected_low


def records(capture: bytes) -> list[bytes]:
    """Return the records of a pcap file."""
    found, at = [], 24
    while at < len(capture):
        end = at + 16 + int.from_bytes(capture[at + 8 : at + 12], "little")
        found.append(capture[at:end])
        at = end
    return found


def block(kind: int, body: bytes) -> bytes:
    """Make a block of pcapng."""
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def pcapng(capture: bytes) -> bytes:
    """Return a pcap file of nanoseconds as pcapng, with a second section in the middle."""
    head = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    # Resolution of times (option 9): 10^-9 seconds.
    head += block(1, struct.pack("<HHIHHB3xHH", 1, 0, 262_144, 9, 1, 9, 0, 0))
    parts, packets = [head], records(capture)
    for number, record in enumerate(packets):
        seconds, rest, captured, length = struct.unpack("<IIII", record[:16])
        time = seconds * 10**9 + rest
        fields = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, captured, length)
        parts.append(block(6, fields + record[16:]))
        if number == len(packets) // 2:
            parts.append(head)
    return b"".join(parts)


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "upload.pcap"
    usual = talk(30_000, start=0, apart=0.05, length=120, clients=3)
    sent = talk(20_000, start=1400, apart=0.0005, length=1400, clients=1)
    traffic.write_pcap(path, traffic.mixed(usual, traffic.mixed(sent, port_scan(300, 1450.0))))
    return path


@pytest.mark.parametrize("way", ["pcapng", "gz", "pieces", "files"])
def test_findings_do_not_depend_on_how_the_packets_come(
    upload: Path, tmp_path: Path, way: str
) -> None:
    plain = upload.read_bytes()
    files = [tmp_path / f"{way}.capture"]
    if way == "pcapng":
        files[0].write_bytes(pcapng(plain))
    elif way == "gz":
        files[0].write_bytes(gzip.compress(plain, 1))
    elif way == "pieces":
        # Compressed members of odd sizes are handed over one by one.
        pieces = [plain[at : at + 9973] for at in range(0, len(plain), 9973)]
        files[0].write_bytes(b"".join(gzip.compress(piece, 1) for piece in pieces))
    else:
        packets = records(plain)
        cuts = [0, 1, 777, 26_001, 26_130, len(packets)]
        files = [tmp_path / f"{number}.pcap" for number in range(len(cuts) - 1)]
        for file, start, end in zip(files, cuts, cuts[1:], strict=False):
            file.write_bytes(plain[:24] + b"".join(packets[start:end]))
    expected = run(tmp_path / "a", upload, train=25_000, scores=tmp_path / "a.csv")
    report = run(tmp_path / "b", *files, train=25_000, scores=tmp_path / "b.csv")
    assert {each.detector for each in expected.findings} >= {"anomaly", "portscan"}
    shapes = [
        json.dumps([finding_shape(each) for each in made.findings], sort_keys=True)
        for made in (expected, report)
    ]
    assert shapes[0] == shapes[1]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_findings_are_the_same_from_standard_input(upload: Path, tmp_path: Path) -> None:
    plain = upload.read_bytes()
    command = [
        sys.executable, "-m", "phage", "replay", "-", "--output", "json", "--train", "25000",
        "--state-dir", str(tmp_path / "b"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for at in range(0, len(plain), 7001):
            process.stdin.write(plain[at : at + 7001])
            process.stdin.flush()
        process.stdin.close()
        told = json.load(process.stdout)
    expected = run(tmp_path / "a", upload, train=25_000)
    shapes = [finding_shape(each) for each in expected.findings]
    assert told["findings"] == json.loads(json.dumps(shapes))


def test_a_file_cut_short_is_read_up_to_the_fault(scan: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(scan.read_bytes()[:-7])
    report = run(tmp_path, cut)
    assert report.source["packets"] == 20_599
    assert not report.unreadable
    assert len(report.warnings) == 1
    assert "cut short at byte" in report.warnings[0]


@pytest.mark.parametrize("content", [b"", b"GIF89a not a capture at all", bytes(100)])
def test_what_is_no_capture_is_unreadable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    report = run(tmp_path, path)
    assert report.unreadable
    assert report.source["packets"] == 0
    assert len(report.warnings) == 1


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    report = run(tmp_path, tmp_path / "none.pcap")
    assert report.unreadable
    assert report.warnings == (f"{tmp_path / 'none.pcap'}: no such file",)
    # What is told of a replay has the same members always.
    assert set(report.performance) == {
        "wall_seconds",
        "packets_per_second",
        "peak_rss_bytes",
        "threads",
    }


def test_files_that_cannot_be_read_are_left_out_and_told(scan: Path, tmp_path: Path) -> None:
    missing, other = tmp_path / "none.pcap", tmp_path / "other"
    other.write_bytes(b"GIF89a not a capture at all")
    report = run(tmp_path, missing, scan, other)
    assert report.source["packets"] == 20_600
    assert not report.unreadable
    assert report.warnings == (
        f"{missing}: no such file",
        f"{other}: not a capture file (pcap or pcapng, plain, gz or zst)",
    )


def test_a_wrong_filter_is_told(scan: Path, tmp_path: Path) -> None:
    settings = load_settings(overrides={("state_dir",): str(tmp_path)})
    with pytest.raises(PhageError, match="filter"):
        replay(ReplayOptions(settings, (str(scan),), filter="tcp and and"))
