"""Alerts of Suricata, by file and by socket; the journal."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.collect.collectors.evejson import EveJsonCollector
from phage.collect.logs.eve import EveParser
from phage.collect.logs.feed import LineCounters
from phage.collect.logs.journal import RESTART_SECONDS, JournalFeed
from phage.collect.logs.parser import Context, SyslogParser
from phage.collect.logs.positions import Position
from phage.errors import CaptureError
from phage.records import LogEvent, LogKind

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_795_230_390_000_000_000


def alert(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "timestamp": "2026-11-21T03:06:30.000000+0000",
        "flow_id": 1,
        "event_type": "alert",
        "src_ip": "198.51.100.7",
        "src_port": 40000,
        "dest_ip": "192.168.1.9",
        "dest_port": 80,
        "proto": "TCP",
        "community_id": "1:abc",
        "alert": {
            "action": "allowed",
            "signature_id": 2001219,
            "signature": "ET SCAN Potential SSH Scan",
            "category": "Attempted Information Leak",
            "severity": 2,
        },
        "flow": {"pkts_toserver": 5, "pkts_toclient": 4, "bytes_toclient": 3000},
    }
    return record | changes


def waiting_descriptors() -> int:
    """Return how many descriptors this process has that logs are waited for by."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # The one by which it is looked.
            count += str(each.readlink()) in {"anon_inode:inotify", "anon_inode:[eventfd]"}
    return count


def parsed(record: object) -> tuple[LogEvent, ...]:
    return EveParser(Context("eve.json")).parse(json.dumps(record), NOW)


def test_an_alert_becomes_an_event() -> None:
    (event,) = parsed(alert())
    assert (event.kind, event.address, event.time) == (LogKind.ALERT, "198.51.100.7", NOW)
    assert event.fields["signature_id"] == 2001219
    assert event.fields["community_id"] == "1:abc"
    assert event.fields["target"] == "192.168.1.9"
    assert not event.spoofable


def test_what_is_told_can_be_written_anywhere() -> None:
    (event,) = parsed(alert(http={"url": "/\ud800"}))
    assert event.path.encode() == b"/\\ud800"


def test_what_nobody_answered_can_be_forged() -> None:
    assert parsed(alert(flow={"pkts_toserver": 1, "pkts_toclient": 0}))[0].spoofable
    assert parsed(alert(proto="UDP"))[0].spoofable
    assert parsed(alert(flow=None))[0].spoofable


def test_answers_to_syns_prove_nothing_and_a_completed_handshake_does() -> None:
    answered = {"pkts_toserver": 2, "pkts_toclient": 2, "bytes_toclient": 148}
    assert parsed(alert(flow=answered))[0].spoofable
    assert parsed(alert(flow=answered, app_proto="failed"))[0].spoofable
    assert not parsed(alert(flow=answered, app_proto="http"))[0].spoofable


def test_the_rule_may_say_who_attacks() -> None:
    told = alert()
    told["alert"] |= {"source": {"ip": "192.0.2.66"}, "target": {"ip": "192.168.1.1"}}
    (event,) = parsed(told)
    assert event.address == "192.0.2.66"
    assert event.fields["target"] == "192.168.1.1"


@pytest.mark.parametrize(
    "line",
    [
        '{"event_type":"flow","alert"',
        '{"event_type":"alert"}',
        '["alert"]',
        '"alert"',
        '{"event_type":"alert","alert":' + "[" * 100_000,
        '{"event_type":"alert","alert":{"signature":3},"src_ip":"1.2.3.4"}',
        '{"event_type":"alert","alert":{"signature":"x"},"src_ip":"not"}',
        '{"event_type":"alert","alert":{"severity":' + "9" * 5000 + "}}",
    ],
    ids=range(8),
)
def test_damaged_lines_give_nothing(line: str) -> None:
    assert EveParser(Context("eve.json")).parse(line, NOW) == ()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(alert())), anything, st.sampled_from(sorted(alert()["alert"])), anything
)
def test_fields_of_any_type_are_no_exception(
    name: str, value: object, inner: str, other: object
) -> None:
    told = alert()
    told["alert"][inner] = other
    told[name] = value
    for event in parsed(told):
        assert isinstance(event.fields["signature_id"], int)
        assert isinstance(event.fields["category"], str)


@pytest.mark.parametrize("transport", ["stream", "datagram"])
def test_alerts_come_by_a_socket(tmp_path: Path, transport: Any) -> None:
    path = tmp_path / "eve.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:  # By a run that was killed.
        left_behind.bind(str(path))
    collector = EveJsonCollector([str(path)], transport=transport)
    collector.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    found: list[LogEvent] = []

    def read() -> None:
        for window in collector.windows():
            found.extend(window.events)
            if len(found) == 3:
                collector.stop()

    reader = threading.Thread(target=read)
    reader.start()
    kind = socket.SOCK_STREAM if transport == "stream" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_UNIX, kind) as suricata:
        suricata.connect(str(path))
        for _ in range(3):
            suricata.send(json.dumps(alert()).encode() + b"\n")
        reader.join(60)
    assert len(found) == 3
    collector.close()
    assert not path.exists()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Have the next descriptor of this process be one that `select` does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    taken = [os.open("/dev/null", os.O_RDONLY)]
    while taken[-1] < 1100:
        taken.append(os.dup(taken[0]))
    yield
    for each in taken:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_alerts_come_where_much_else_is_open(tmp_path: Path) -> None:
    path = tmp_path / "eve.sock"
    collector = EveJsonCollector([str(path)], transport="stream")
    collector.open()
    with socket.socket(socket.AF_UNIX) as suricata:
        suricata.connect(str(path))
        for _ in range(2):
            suricata.send(json.dumps(alert()).encode() + b"\n")
        windows = collector.windows()
        found = 0
        while found < 2:
            found += len(next(windows).events)
    collector.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "eve.sock"
    path.write_text("mine", encoding="ascii")
    collector = EveJsonCollector([str(path)], transport="stream")
    before = waiting_descriptors()
    with pytest.raises(CaptureError, match="cannot listen"):
        collector.open()
    assert waiting_descriptors() == before
    assert path.read_text(encoding="ascii") == "mine"


def entry(**changes: object) -> str:
    fields: dict[str, object] = {
        "__CURSOR": "s=1;i=2",
        "__REALTIME_TIMESTAMP": "1795230390000000",
        "SYSLOG_IDENTIFIER": "sshd",
        "_UID": "0",
        "MESSAGE": "Failed password for root from 198.51.100.7 port 1 ssh2",
    }
    return json.dumps(fields | changes)


def journal(tmp_path: Path, *entries: str) -> tuple[list[LogEvent], JournalFeed]:
    """Return what a journal of these entries gives; a script stands for journalctl."""
    text = tmp_path / "entries"
    text.write_text("".join(f"{each}\n" for each in entries), encoding="utf-8")
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat {text}\n', "ascii")
    program.chmod(0o755)
    feed = JournalFeed([SyslogParser(Context("journal"))], LineCounters(), program=str(program))
    feed.open()
    return until_end(feed), feed


def until_end(feed: JournalFeed) -> list[LogEvent]:
    events: list[LogEvent] = []
    while not feed.faults():
        events += feed.read(NOW)[0]
    return events


def test_entries_of_the_journal(tmp_path: Path) -> None:
    octets = list(b"Invalid user \xff from 198.51.100.8 port 1")
    events, feed = journal(tmp_path, entry(), entry(MESSAGE=octets), "{", "[]", entry(MESSAGE=None))
    assert [event.address for event in events] == ["198.51.100.7", "198.51.100.8"]
    assert events[0].time == NOW
    assert feed.counters.malformed == 2
    assert feed.positions()["journal"].cursor == "s=1;i=2"
    assert "--lines=0" in (tmp_path / "arguments").read_text(encoding="ascii")
    feed.close()


def test_what_an_ordinary_account_writes_is_not_believed(tmp_path: Path) -> None:
    events, feed = journal(tmp_path, entry(_UID="1000"))
    assert events == []
    assert feed.counters.untrusted == 1
    feed.close()


def test_a_journalctl_that_ends_is_started_again_where_it_stopped(tmp_path: Path) -> None:
    events, feed = journal(tmp_path, entry())
    pipe = feed.descriptors()
    assert feed.look(1.0)
    assert pipe == feed.descriptors() == []
    assert not feed.look(RESTART_SECONDS)
    assert feed.look(1.0 + RESTART_SECONDS)
    assert feed.faults() == []
    assert len(feed.descriptors()) == 1
    events += until_end(feed)
    assert len(events) == 2
    assert "--after-cursor=s=1;i=2" in (tmp_path / "arguments").read_text(encoding="ascii")
    assert feed.look(100.0)
    (tmp_path / "journalctl").unlink()
    assert not feed.look(200.0)
    assert "started again" in feed.faults()[0]
    feed.close()


def test_a_journal_of_which_nothing_came_is_read_on_from_the_same_place(tmp_path: Path) -> None:
    _, first = journal(tmp_path)
    first.close()
    saved = {"journal": Position(cursor="s=7")}
    feed = JournalFeed([], LineCounters(), saved, first.program)
    feed.open()
    until_end(feed)
    assert feed.positions() == saved
    feed.close()
