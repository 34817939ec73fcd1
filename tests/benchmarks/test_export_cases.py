"""Datagrams of exporters of many makers, against the records they hold.

Each case passes when records, packets and octets are those of one of its two readings (data before
its template dropped, or kept until it comes) and each record's key fields match. Malformed cases
must be counted, and nothing may raise.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from phage.collect.datagrams import mapped
from phage.native import ExportDecoder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer

KEYS = ("src", "dst", "sport", "dport", "proto", "packets", "bytes", "sampling")
TOTALS = (("packets", "packets", "packets_total"), ("bytes", "bytes", "bytes_total"))


def _decode(folder: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    case = json.loads((folder / "case.json").read_text())
    packets = case["packets"]
    if isinstance(packets, str):  # "40 files": of one exporter.
        parts = [(file.name, "192.0.2.1") for file in sorted(folder.glob("*.bin"))]
    else:
        parts = [(part["file"], part["exporter"]) for part in packets]
    decoder = ExportDecoder()
    lines = "".join(
        decoder.describe((folder / name).read_bytes(), mapped(exporter), 0)
        for name, exporter in parts
    )
    return [json.loads(line) for line in lines.splitlines()], decoder.counters()


def _totals(records: list[dict[str, Any]]) -> dict[str, int]:
    sums = {
        name: sum(record.get(delta, record.get(total, 0)) for record in records)
        for name, delta, total in TOTALS
    }
    return {"records": len(records), **sums}


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in KEYS)


def _faults(folder: Path) -> list[str]:
    """Return what differs; nothing where the case passes."""
    expected = json.loads((folder / "expected.json").read_text())
    case = json.loads((folder / "case.json").read_text())
    records, counters = _decode(folder)
    totals = _totals(records)
    wanted = [
        {name: reading[name] for name in totals}
        for reading in (expected["streaming"], expected["buffered"])
    ]
    faults = [] if totals in wanted else [f"totals {totals}, expected {wanted}"]
    given, missing = Counter(map(_key, records)), Counter(map(_key, expected["records"]))
    if totals == wanted[1] and given != missing:
        faults.append(f"records {list(given - missing)[:2]}, expected {list(missing - given)[:2]}")
    if case["malformed"] and not counters["malformed"]:
        faults.append("nothing was counted as malformed")
    return faults


def test_every_case_passes(peer_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = sorted((peer_data / "flows" / "cases").iterdir())
    results = {folder.name: _faults(folder) for folder in folders}
    failed = {name: faults for name, faults in results.items() if faults}
    with capsys.disabled():
        print()
        for name, faults in results.items():
            print(f"{'passes' if not faults else 'FAILS ':7} {name}", *faults)
        print(f"{len(results) - len(failed)} of {len(results)} cases pass")
    assert not failed
