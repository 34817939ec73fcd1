"""The rotating file: sizes, counts, and a disk that does not take any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phage.clock import FixedClock
from phage.telemetry.rotation import RETRY_SECONDS, RotatingFile

Make = Callable[..., tuple[RotatingFile, FixedClock]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a maker of rotating files, which are closed in the end."""
    made: list[RotatingFile] = []

    def maker(path: Path, size: int = 100, count: int = 2) -> tuple[RotatingFile, FixedClock]:
        clock = FixedClock()
        made.append(RotatingFile(path, size, count, clock))
        return made[-1], clock

    yield maker
    for file in made:
        file.close()


def test_it_begins_anew_when_it_is_large_and_keeps_so_many(tmp_path: Path, make: Make) -> None:
    file, _ = make(tmp_path / "deep" / "eve.json")
    for number in range(30):
        file.write([f"{number:02d} " + "x" * 26])
    file.close()
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == ["eve.json", "eve.json.1", "eve.json.2"]
    kept = [
        line[:2]
        for name in reversed(names)
        for line in (tmp_path / "deep" / name).read_text().splitlines()
    ]
    assert kept == [f"{number:02d}" for number in range(30 - len(kept), 30)]
    assert all((tmp_path / "deep" / name).stat().st_size <= 100 for name in names)
    assert (file.lines, file.dropped) == (30, 0)


def test_without_old_files_the_file_begins_empty(tmp_path: Path, make: Make) -> None:
    file, _ = make(tmp_path / "eve.json", size=10, count=0)
    file.write(["aaaaaaaa"])
    file.write(["bbbbbbbb"])
    assert [path.name for path in tmp_path.iterdir()] == ["eve.json"]
    assert (tmp_path / "eve.json").read_text() == "bbbbbbbb\n"


def test_it_goes_on_where_it_stopped(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "eve.json")[0].write(["one"])
    make(tmp_path / "eve.json")[0].write(["two"])
    assert (tmp_path / "eve.json").read_text() == "one\ntwo\n"


def test_a_file_that_somebody_moved_is_opened_anew(tmp_path: Path, make: Make) -> None:
    file, _ = make(tmp_path / "eve.json")
    file.write(["one"])
    (tmp_path / "eve.json").rename(tmp_path / "moved")
    file.write(["two"])
    assert (tmp_path / "eve.json").read_text() == "two\n"


def test_a_disk_that_fails_is_told_counted_and_tried_again(tmp_path: Path, make: Make) -> None:
    (tmp_path / "folder").write_text("no folder")
    file, clock = make(tmp_path / "folder" / "eve.json")
    file.write(["one", "two"])
    assert file.dropped == 2
    assert "eve.json" in file.fault
    file.write(["three"])
    assert file.dropped == 3
    (tmp_path / "folder").unlink()
    file.write(["four"])
    assert file.dropped == 4
    clock.nanoseconds += int(RETRY_SECONDS * 1e9)
    file.write(["five"])
    assert file.fault == ""
    assert (tmp_path / "folder" / "eve.json").read_text() == "five\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_no_exception(make: Make) -> None:
    file, _ = make(Path("/dev/full"))
    file.write(["one"])
    assert file.dropped == 1
    assert "No space left" in file.fault


def test_a_half_written_line_is_taken_back(tmp_path: Path, make: Make) -> None:
    file, clock = make(tmp_path / "eve.json", size=10_000)
    file.write(["whole"])

    class Short:
        def __init__(self, real: object) -> None:
            self.real = real

        def write(self, data: bytes) -> int:
            if len(data) < 20:
                message = "No space left on device"
                raise OSError(28, message)
            return int(self.real.write(data[:7]))  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

    file._file = Short(file._file)  # type: ignore[assignment]
    file.write(["a line of more than twenty octets"])
    assert file.dropped == 1
    assert (tmp_path / "eve.json").read_text() == "whole\n"
    clock.nanoseconds += int(RETRY_SECONDS * 1e9)
    file.write(["next"])
    assert (tmp_path / "eve.json").read_text() == "whole\nnext\n"


def test_text_that_is_no_unicode_is_written_escaped(tmp_path: Path, make: Make) -> None:
    file, _ = make(tmp_path / "eve.json")
    file.write(["\ud800"])
    assert (tmp_path / "eve.json").read_bytes() == b"\\ud800\n"


def test_the_file_is_not_for_everybody(tmp_path: Path, make: Make) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "eve.json")[0].write(["x"])
    finally:
        os.umask(before)
    assert (tmp_path / "eve.json").stat().st_mode & 0o007 == 0
