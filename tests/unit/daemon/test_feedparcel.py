"""Files of feeds that somebody else may have made."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from phage.daemon.feedparcel import FORM, ParcelError, read_parcel
from phage.intel import keep
from phage.intel.networks import empty

if TYPE_CHECKING:
    from pathlib import Path


def parcel(path: Path, lines: bytes, updated: object = 1) -> Path:
    networks = keep.packed(empty())
    about = {
        "type": "csv",
        "updated": updated,
        "networks": hashlib.sha256(networks).hexdigest(),
        "indicators": hashlib.sha256(lines).hexdigest(),
    }
    contents = json.dumps({"form": FORM, "feeds": {"own": about}}).encode()
    with tarfile.open(path, "w") as archive:
        for name, body in {
            "0.networks": networks, "0.jsonl": lines, "parcel.json": contents
        }.items():  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return path


def test_what_is_whole_is_read(tmp_path: Path) -> None:
    path = parcel(tmp_path / "own.tar", b'{"value": "bad.example", "kind": "domain"}\n')
    ((name, kind, updated, harvest),) = read_parcel(path)
    assert (name, kind, updated) == ("own", "csv", 1)
    assert [each.value for each in harvest.indicators] == ["bad.example"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"value": "a.com", "kind": "domain", "first_seen": Infinity}',
        b'{"value": "a.com", "kind": "domain", "expires": 1e400}',
        b'{"value": "a.com", "kind": ["domain"]}',
        b'{"value": "a.com"}',
        b"[1]",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(ParcelError, match="damaged"):
        list(read_parcel(parcel(tmp_path / "own.tar", line)))


def test_a_time_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ParcelError, match="damaged"):
        list(read_parcel(parcel(tmp_path / "own.tar", b"", float("inf"))))
