"""Detection on the peer data: what `phage replay` finds and how its scores rank, as a table.

smarthome7 is a composite (a benign week of seven devices with readdressed attacks); modbus is a
SCADA network. The figures of Kitsune-py are those measured by others on the same files.
"""

from __future__ import annotations

import csv
import gzip
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.config.load import load_settings
from phage.daemon.options import ReplayOptions, ReplayReport
from phage.daemon.replay import replay
from phage.testing.roc import area_under_curve, average_precision, true_positive_rate

if TYPE_CHECKING:
    from pathlib import Path

    from phage.testing.roc import Scores

pytestmark = pytest.mark.peer

LEARNED = 110_000
FALSE_POSITIVE_RATE = 0.001
NANOSECONDS = 1_000_000_000
# Attack, detector that must find it, address of its subject or of one of its peers.
ATTACKS = {1: "portscan", 3: "portscan", 5: "dnstunnel", 8: "synflood"}
DEVICES = 7


@dataclass
class Replayed:
    """A replay with its scores: NaN while learning."""

    report: ReplayReport
    scores: Scores


def run(folder: Path, files: list[Path], train: int) -> Replayed:
    settings = load_settings(overrides={("state_dir",): str(folder / "state")})
    scores = folder / "scores.csv"
    names = tuple(map(str, files))
    report = replay(ReplayOptions(settings, names, train=train, scores=scores))
    with scores.open(encoding="ascii") as file:
        rows = list(csv.reader(file))[1:]
    return Replayed(report, np.array([float(score or "nan") for _, score in rows]))


@pytest.fixture(scope="module")
def week(peer_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    capture = peer_data / "captures" / "smarthome7.pcap"
    return run(tmp_path_factory.mktemp("week"), [capture], LEARNED)


@pytest.fixture(scope="module")
def labels(peer_data: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    with gzip.open(peer_data / "captures" / "smarthome7_labels.csv.gz", "rt") as file:
        return np.array([int(row[1]) for row in list(csv.reader(file))[1:]])


@pytest.fixture(scope="module")
def attacks(peer_data: Path) -> dict[int, dict[str, str]]:
    with (peer_data / "captures" / "smarthome7_attacks.csv").open(encoding="utf-8") as file:
        return {int(row["attack_id"]): row for row in csv.DictReader(file)}


def test_every_packet_after_learning_is_scored(week: Replayed) -> None:
    assert np.isnan(week.scores[:LEARNED]).all()
    assert ((week.scores[LEARNED:] >= 0) & (week.scores[LEARNED:] <= 12)).all()


def test_packets_of_attacks_rank_above_benign_ones(
    week: Replayed, labels: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    scores, marks = week.scores[LEARNED:], labels[LEARNED:]
    print(f"\n{'attack':<10}{'AUC':>9}{'TPR@1e-3':>10}")
    for attack in (*ATTACKS, 0):
        kept = (marks == 0) | (marks == attack) if attack else np.ones(len(marks), bool)
        area = area_under_curve(scores[kept], marks[kept] > 0)
        rate = true_positive_rate(scores[kept], marks[kept] > 0, FALSE_POSITIVE_RATE)
        print(f"{attack or 'all':<10}{area:>9.4f}{rate:>10.3f}")
        assert area > 0.998 or attack
        assert rate >= 0.95


def test_each_attack_is_one_finding_of_the_right_detector(
    week: Replayed, attacks: dict[int, dict[str, str]]
) -> None:
    for number, detector in ATTACKS.items():
        begins = float(attacks[number]["t_start"]) * NANOSECONDS
        ends = float(attacks[number]["t_end"]) * NANOSECONDS
        found = [
            finding
            for finding in week.report.findings
            if finding.first_seen <= ends + 60 * NANOSECONDS and finding.last_seen >= begins
        ]
        named = [(finding.detector, finding.summary) for finding in found]
        right = [finding for finding in found if finding.detector == detector]
        assert len(right) == 1, named
        assert right[0].first_seen - begins <= 5 * NANOSECONDS, named


def test_the_benign_days_keep_to_the_budget(
    week: Replayed, attacks: dict[int, dict[str, str]]
) -> None:
    spans = [
        (float(row["t_start"]) * NANOSECONDS, float(row["t_end"]) * NANOSECONDS)
        for row in attacks.values()
    ]
    false = [
        finding
        for finding in week.report.findings
        if not any(
            finding.first_seen <= end + 120 * NANOSECONDS
            and finding.last_seen >= start - 60 * NANOSECONDS
            for start, end in spans
        )
    ]
    each: dict[str, int] = {}
    for finding in false:
        each[finding.subject.device] = each.get(finding.subject.device, 0) + 1
        print(finding.detector, finding.subject.ip, finding.summary)
    assert len(false) <= DEVICES
    assert max(each.values(), default=0) <= 1


def modbus_labels(path: Path) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the label of each packet; rows are `id;0/1`."""
    rows = (line.split(";") for line in path.read_text(encoding="utf-8").splitlines())
    return np.array([row[1].strip() == "1" for row in rows if row[-1].strip() in {"0", "1"}])


def test_forged_commands_rank_first(peer_data: Path, tmp_path: Path) -> None:
    folder = peer_data / "captures" / "modbus"
    learned = 4700
    scores = run(tmp_path, [folder / "send_a_fake_command.pcap"], learned).scores[learned:]
    marks = modbus_labels(folder / "send_a_fake_command.labels.csv")[learned:]
    precision = average_precision(scores, marks)
    print(f"\nforged commands: AP {precision:.3f}, AUC {area_under_curve(scores, marks):.4f}")
    assert precision > 0.5


def pcap_records(path: Path) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return the file header and (seconds, record) of each packet of a little-endian pcap file."""
    data, at, records = path.read_bytes(), 24, []
    while at < len(data):
        seconds, _, captured, _ = struct.unpack_from("<IIII", data, at)
        records.append((seconds, data[at : at + 16 + captured]))
        at += 16 + captured
    return data[:24], records


def test_command_and_control_ranks_first(peer_data: Path, tmp_path: Path) -> None:
    folder = peer_data / "captures" / "modbus"
    header, first = pcap_records(folder / "send_a_fake_command.pcap")
    normal = modbus_labels(folder / "send_a_fake_command.labels.csv")
    learned = [record for record, forged in zip(first, normal, strict=True) if not forged]
    _, second = pcap_records(folder / "CnC_uploading_exe.pcap")
    # The second capture follows the first by a second.
    shift = learned[-1][0] + 1 - second[0][0]
    later = [struct.pack("<I", at + shift) + record[4:] for at, record in second]
    both = tmp_path / "both.pcap"
    both.write_bytes(header + b"".join([record for _, record in learned] + later))
    scores = run(tmp_path, [both], len(learned)).scores[len(learned) :]
    area = area_under_curve(scores, modbus_labels(folder / "CnC_uploading_exe.labels.csv"))
    print(f"\ncommand and control: AUC {area:.4f}")
    assert area > 0.98
