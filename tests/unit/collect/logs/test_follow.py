"""Logs are followed through rotation, truncation and restarts, and hostile octets."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.collect.collectors.logfile import LogFileCollector
from phage.collect.logs.feed import FileFeed, LineCounters
from phage.collect.logs.follow import BLOCK, RETIRED_SECONDS, LineBuffer
from phage.collect.logs.parser import Context, make_parser
from phage.collect.logs.source import LogSource
from phage.errors import ConfigError
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATTERN = "refused <address>"


class Following:
    """A collector that runs in a thread, and the addresses that it told, in order."""

    def __init__(self, path: Path | str, saved_at: Path | None = None) -> None:
        source = LogSource(str(path), pattern=PATTERN)
        self.collector = LogFileCollector([source], saved_at=saved_at)
        self.collector.open()
        self.addresses: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for window in self.collector.windows():
            assert window.start <= window.end
            self.addresses += [event.address for event in window.events]

    def until(self, *addresses: str) -> None:
        until(lambda: f"{addresses}, not {self.addresses}", lambda: self.addresses == [*addresses])

    def stop(self) -> None:
        self.collector.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.collector.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Following]]:
    made: list[Following] = []

    def begin(path: Path | str, saved_at: Path | None = None) -> Following:
        made.append(Following(path, saved_at))
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def write(path: Path, *numbers: int) -> None:
    with path.open("a", encoding="ascii") as file:
        file.writelines(f"refused 192.0.2.{number}\n" for number in numbers)


def names(*numbers: int) -> list[str]:
    return [f"192.0.2.{number}" for number in numbers]


def test_what_was_there_is_left_out_and_what_comes_is_read(
    tmp_path: Path, start: Callable[..., Following]
) -> None:
    log = tmp_path / "a.log"
    write(log, 1)
    following = start(log)
    write(log, 2, 3)
    following.until(*names(2, 3))


def test_half_a_line_waits_for_its_end(tmp_path: Path, start: Callable[..., Following]) -> None:
    log = tmp_path / "a.log"
    log.touch()
    following = start(log)
    with log.open("a", encoding="ascii", buffering=1) as file:
        file.write("refused 192.0")
        file.flush()
        time.sleep(0.05)
        assert following.addresses == []
        file.write(".2.7\n")
    following.until("192.0.2.7")


def test_a_file_that_appears_later_is_read_whole(
    tmp_path: Path, start: Callable[..., Following]
) -> None:
    following = start(tmp_path / "later.log")
    write(tmp_path / "later.log", 1)
    following.until(*names(1))


def test_rotation_by_renaming_loses_nothing(
    tmp_path: Path, start: Callable[..., Following]
) -> None:
    log = tmp_path / "a.log"
    log.touch()
    following = start(log)
    write(log, 1)
    following.until(*names(1))
    log.rename(tmp_path / "a.log.1")
    write(tmp_path / "a.log.1", 2)  # The daemon still has the old file open.
    following.until(*names(1, 2))
    write(log, 3)
    following.until(*names(1, 2, 3))
    write(tmp_path / "a.log.1", 4)
    write(log, 5)
    following.until(*names(1, 2, 3, 4, 5))


def test_rotation_by_copying_and_emptying(tmp_path: Path, start: Callable[..., Following]) -> None:
    log = tmp_path / "a.log"
    log.touch()
    following = start(log)
    write(log, 1, 2, 3)
    following.until(*names(1, 2, 3))
    os.truncate(log, 0)
    write(log, 4)
    following.until(*names(1, 2, 3, 4))


def feed(name: Path | str, **settings: Any) -> FileFeed:
    parser = make_parser("", PATTERN, "auth_failed", Context("test"))
    return FileFeed(str(name), parser.parse, LineCounters(), 1000, **settings)


def told(feed: FileFeed, now: float) -> list[str]:
    feed.look(now)
    found: list[str] = []
    more = True
    while more:
        events, more = feed.read(0)
        found += [event.address for event in events]
    return found


def is_open(feed: FileFeed) -> bool:
    (file,) = feed._files.values()
    return file.is_open


def test_a_file_that_was_removed_is_let_go_of_and_read_on_when_it_comes_back(
    tmp_path: Path,
) -> None:
    log, away = tmp_path / "a.log", tmp_path / "elsewhere"
    log.touch()
    following = feed(log)
    assert told(following, 0.0) == []
    write(log, 1)
    log.rename(away)
    assert told(following, 1.0) == names(1)
    write(away, 2)
    assert told(following, 2 + RETIRED_SECONDS) == names(2)
    assert is_open(following)
    assert told(following, 3 + RETIRED_SECONDS) == []
    assert not is_open(following)
    write(away, 3)
    away.rename(log)
    assert told(following, 100.0) == names(3)
    log.unlink()
    told(following, 200.0)
    told(following, 300.0)
    write(log, 4)
    assert told(following, 301.0) == names(4)
    following.close()


def test_files_that_are_gone_make_room_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phage.collect.logs.feed.MOST_FILES", 3)
    following = feed(tmp_path / "*.log")
    told(following, 0.0)
    for day in range(1, 10):
        log = tmp_path / f"{day}.log"
        write(log, day)
        with log.open("a", encoding="ascii") as file:
            file.write("x" * 2000 + "\n")
        assert told(following, day * 100.0) == names(day)
        assert following.faults() == []
        log.unlink()
        told(following, day * 100.0 + 1)
    assert len(following._files) == 3
    assert following.counters.too_long == 9
    for day in range(1, 10):
        write(tmp_path / f"{day}.log", day)
    following.look(2000.0)
    assert len(following._files) == 3
    assert following.faults() == [f"{tmp_path}/*.log: more than 3 files; 6 left out"]
    following.close()


def test_a_file_that_gets_another_name_of_the_pattern_is_not_read_again(tmp_path: Path) -> None:
    log, dated = tmp_path / "a.log", tmp_path / "a-20261121.log"
    log.touch()
    following = feed(tmp_path / "*.log")
    told(following, 0.0)
    write(log, 1)
    assert told(following, 1.0) == names(1)
    write(log, 2)
    with log.open("a", encoding="ascii") as file:
        file.write("refused 192.0")
    assert told(following, 2.0) == names(2)
    log.rename(dated)  # As logrotate does with `dateext` and `extension .log`.
    write(log, 4)
    with dated.open("a", encoding="ascii") as file:  # By a daemon that was not told yet.
        file.write(".2.3\n")
    assert sorted(told(following, 3.0)) == names(3, 4)
    write(dated, 5)
    write(log, 6)
    assert sorted(told(following, 4 + RETIRED_SECONDS)) == names(5, 6)
    assert told(following, 99.0) == []
    following.close()


def test_a_file_of_two_names_is_read_once(tmp_path: Path) -> None:
    first, second = tmp_path / "b-1.log", tmp_path / "b-2.log"
    first.touch()
    newest, also = tmp_path / "newest.log", tmp_path / "a.log"
    newest.symlink_to(first)
    also.hardlink_to(first)
    following = feed(tmp_path / "*.log")
    told(following, 0.0)
    write(first, 1)
    assert told(following, 1.0) == names(1)
    write(second, 2)
    newest.unlink()
    newest.symlink_to(second)
    assert told(following, 2.0) == names(2)
    also.unlink()
    write(first, 3)
    write(newest, 4)
    assert sorted(told(following, 3.0)) == names(3, 4)
    following.close()


def test_what_was_moved_away_is_read_to_its_end_however_long_that_takes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.touch()
    following = feed(log)
    told(following, 0.0)
    lines = BLOCK // 10
    write(log, *[1] * lines)
    log.rename(tmp_path / "a.log.1")
    write(log, 2)
    following.look(1.0)
    following.read(0)
    assert told(following, 2 + RETIRED_SECONDS)[-1] == "192.0.2.2"
    assert following.counters.events == lines + 1
    following.close()


def test_a_file_that_a_network_took_away_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a.log"
    write(log, 1)
    following = feed(log)
    told(following, 0.0)
    (file,) = following._files.values()
    assert file._current is not None
    gone, status = file._current.descriptor, os.fstat

    def fails(descriptor: int) -> os.stat_result:
        if descriptor == gone:
            raise OSError(errno.ESTALE, "Stale file handle")
        return status(descriptor)

    monkeypatch.setattr(os, "fstat", fails)
    assert following.positions() == {}
    assert told(following, 1.0) == names(1)
    following.close()


def test_names_by_pattern(tmp_path: Path, start: Callable[..., Following]) -> None:
    write(tmp_path / "a.log", 1)
    following = start(f"{tmp_path}/*.log")
    write(tmp_path / "b.log", 2)
    following.until(*names(2))
    write(tmp_path / "c.txt", 3)
    write(tmp_path / "a.log", 4)
    following.until(*names(2, 4))


def test_reading_goes_on_after_a_restart(tmp_path: Path, start: Callable[..., Following]) -> None:
    log, saved = tmp_path / "a.log", tmp_path / "logs.json"
    log.touch()
    first = start(log, saved)
    write(log, 1)
    first.until(*names(1))
    first.stop()
    write(log, 2)
    second = start(log, saved)
    write(log, 3)
    second.until(*names(2, 3))
    second.stop()
    write(log, 4)
    log.rename(tmp_path / "a.log.1")  # Rotated while nobody looked.
    write(log, 5)
    third = start(log, saved)
    third.until(*names(4, 5))
    third.stop()
    log.write_text("# " + "x" * 80 + "\n", encoding="ascii")
    write(log, 6)  # Written anew under the same inode: it begins otherwise.
    fourth = start(log, saved)
    write(log, 7)
    fourth.until(*names(6, 7))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 9, "logs": {}}',
        '{"version": 1, "logs": {"x": 3}}',
        "[" * 9999,
        '{"version": 1, "logs": {"x": {"offset": "7"}}}',
        '{"version": 1, "logs": {"x": {"length": -1}}}',
        '{"version": 1, "logs": {"x": {"none": 1}}}',
    ],
)
def test_damaged_positions_are_told_and_left_out(
    tmp_path: Path, start: Callable[..., Following], text: str
) -> None:
    log, saved = tmp_path / "a.log", tmp_path / "logs.json"
    write(log, 1)
    saved.write_text(text, encoding="ascii")
    following = start(log, saved)
    write(log, 2)
    following.until(*names(2))
    assert "logs.json" in following.collector.faults()[0]
    following.stop()
    assert json.loads(saved.read_text(encoding="ascii"))["version"] == 1


def test_reading_once_ends_and_has_the_times_of_the_lines(tmp_path: Path) -> None:
    log = tmp_path / "old.log"
    stamp = "Nov 21 03:06:30 host app: "
    log.write_bytes(f"{stamp}refused 192.0.2.1\n\xff\n{stamp}refused 192.0.2.2".encode("latin-1"))
    collector = LogFileCollector([LogSource(str(log), pattern=PATTERN)], follow=False)
    collector.open()
    (window,) = collector.windows()
    assert [event.address for event in window.events] == names(1, 2)
    assert window.end == max(event.time for event in window.events)
    assert collector.counters()["logfile.lines"] == 3
    collector.close()


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    collector = LogFileCollector([LogSource(f"{tmp_path}/none")], follow=False)
    collector.open()
    assert list(collector.windows()) == []
    assert collector.faults() == [f"{tmp_path}/none: no such file"]
    collector.close()
    with pytest.raises(ConfigError, match="absolute"):
        LogFileCollector([LogSource("relative.log")])


def test_a_collector_of_logs_has_nothing_of_packets(tmp_path: Path) -> None:
    collector = LogFileCollector([LogSource(f"{tmp_path}/none")])
    assert collector.scores() == collector.save_model() == b""
    collector.distrust(0, bytes(16), 0, 1)
    collector.stop()
    assert list(collector.windows()) == []


def test_a_line_that_is_too_long_is_left_out_whole() -> None:
    buffer = LineBuffer(10)
    assert buffer.feed(b"short\n" + b"x" * 11) == ["short"]
    assert buffer.feed(b"x" * 30) == []
    assert buffer.feed(b"from 1.2.3.4\nnext\n") == ["next"]
    assert buffer.feed(b"12345678901\nok\n") == ["ok"]
    assert buffer.too_long == 2


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\r", b"\n", b"a"]), max_size=20))
def test_however_octets_come_lines_are_the_same(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    buffer = LineBuffer(100_000)
    got = [line for part in parts for line in buffer.feed(part)]
    wanted = whole.replace(b"\r\n", b"\n").split(b"\n")[:-1]
    assert got == [line.decode("utf-8", "backslashreplace") for line in wanted]
