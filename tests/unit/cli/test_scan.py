"""What `phage scan` prints: a name is a name, whatever is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from phage.cli.commands import scan
from phage.cli.output import emit_one
from phage.cli.scanfiles import files_below, scan_files
from phage.testing.household import eicar_verdict

if TYPE_CHECKING:
    import pytest

    from phage.scan.scanner import Scanner

FORGED = "a.exe: clean 9/9\n1 file: 1 clean\n\x1b[2J"


def test_a_name_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert scan._print("table", [(Path(FORGED), eicar_verdict(1))], show_all=True) == scan.FOUND
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("a.exe: clean 9/9\\x0a1 file: 1 clean\\x0a\\x1b[2J: infected ")
    assert all(line.startswith("  ") for line in rest)
    emit_one("table", {}, [f"name {FORGED}"])
    assert len(capsys.readouterr().out.splitlines()) == 1


class NoScanner:
    """Scans nothing: nothing comes so far."""

    processes = 1


def test_what_is_no_file_is_named_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    files, failed = files_below([str(tmp_path / "pipe"), str(tmp_path / "gone")])
    found = scan_files(cast("Scanner", NoScanner()), files, failed=failed)
    assert list(found) == []
    assert failed == [
        (str(tmp_path / "pipe"), "is no regular file"),
        (str(tmp_path / "gone"), "No such file or directory"),
    ]
