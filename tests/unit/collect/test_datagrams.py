"""Files of datagrams are decoded, whatever they hold."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from phage.cli.commands.flows import command
from phage.collect.collectors.exportfile import ExportFileCollector
from phage.collect.datagrams import DatagramFileError, describe_file, mapped
from phage.collect.exports import ExportSettings
from phage.native import ExportDecoder
from phage.records.columns import EXPORT

if TYPE_CHECKING:
    from pathlib import Path

EXPORTER = "192.0.2.9"


def netflow5(count: int = 1, sampling: int = 0) -> bytes:
    """Return a datagram of NetFlow version 5."""
    header = struct.pack(
        ">HHIIIIBBH", 5, count, 1_000_000, 1_700_000_000, 0, 7, 0, 0, 0x4000 | sampling
    )
    ends = bytes([192, 0, 2, 1]) + bytes([198, 51, 100, 2]) + bytes(4)
    counts = struct.pack(">HHIIII", 3, 4, 5, 600, 990_000, 999_000)
    ports = struct.pack(">HHBBBBHHBBH", 40_000, 443, 0, 0x1B, 6, 0, 64_500, 64_501, 24, 16, 0)
    return header + (ends + counts + ports) * count


def records(path: Path) -> list[dict[str, Any]]:
    lines = "".join(describe_file(ExportDecoder(), path, EXPORTER))
    return [json.loads(line) for line in lines.splitlines()]


def test_the_columns_are_those_of_the_core() -> None:
    assert EXPORT.itemsize == ExportDecoder.ROW_SIZE
    decoder = ExportDecoder()
    rows = np.frombuffer(decoder.feed(netflow5(2, 100), mapped(EXPORTER), 0), EXPORT)
    row = rows[1]
    assert len(rows) == 2
    assert bytes(row["src"]) == mapped("192.0.2.1")
    assert (row["packets"].tolist(), row["octets"].tolist()) == ([5, 0], [600, 0])
    assert (row["src_port"], row["dst_port"], row["protocol"]) == (40_000, 443, 6)
    assert (row["sampling"], row["version"], row["src_mask"]) == (100, 5, 24)
    assert (row["last"] - row["start"]) == 9_000_000_000
    exporter = decoder.exporters()[0]
    assert (exporter["records"], exporter["address"]) == (2, mapped(EXPORTER))


def test_a_file_that_is_one_datagram(tmp_path: Path) -> None:
    path = tmp_path / "0000.bin"
    path.write_bytes(netflow5(sampling=10))
    (record,) = records(path)
    assert record["sourceIPv4Address"] == record["src"] == "192.0.2.1"
    assert record["octetDeltaCount"] == record["bytes"] == 600
    assert (record["end_ms"], record["sampling"]) == (1_699_999_999_000, 10)


def test_files_of_datagrams_behind_lengths_and_times(tmp_path: Path) -> None:
    datagram = netflow5()
    plain, timed = tmp_path / "a.lp", tmp_path / "b.tlp"
    plain.write_bytes((struct.pack("<H", len(datagram)) + datagram) * 3)
    timed.write_bytes((struct.pack("<dH", 0.5, len(datagram)) + datagram) * 2)
    assert len(records(plain)) == 3
    assert len(records(timed)) == 2


@pytest.mark.parametrize("content", [b"\x01", b"\x09\x00\x05"])
def test_a_cut_file_says_where(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cut.lp"
    path.write_bytes(content)
    with pytest.raises(DatagramFileError, match="at octet"):
        records(path)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 1e10, -1.0])
def test_a_time_that_there_is_not_is_a_fault_of_the_file(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "odd.tlp"
    path.write_bytes(struct.pack("<dH", seconds, 4) + b"none")
    with pytest.raises(DatagramFileError, match="time of a datagram"):
        records(path)
    collector = ExportFileCollector(ExportSettings(), [path])
    collector.open()
    assert list(collector.windows()) == []
    assert "time of a datagram" in collector.faults()[0]
    collector.close()


def test_what_is_malformed_is_counted() -> None:
    decoder = ExportDecoder()
    assert decoder.feed(b"\xff\xff", mapped(EXPORTER), 0) == b""
    assert decoder.feed(netflow5()[:30], mapped(EXPORTER), 0) == b""
    counters = decoder.counters()
    assert (counters["malformed.version"], counters["malformed.count"]) == (1, 1)


def test_the_command_prints_a_line_a_record(tmp_path: Path) -> None:
    path = tmp_path / "0000.bin"
    path.write_bytes(netflow5(3))
    result = CliRunner().invoke(command, ["decode", str(path), "--output", "jsonl", "--counters"])
    assert result.exit_code == 0
    lines = [line for line in result.output.splitlines() if line.startswith("{")]
    assert [json.loads(line)["dport"] for line in lines] == [443] * 3
    assert "datagrams 1" in result.output


def test_a_damaged_state_is_refused() -> None:
    decoder = ExportDecoder()
    decoder.load(decoder.save())
    with pytest.raises(ValueError, match="damaged"):
        decoder.load(b"nonsense")
