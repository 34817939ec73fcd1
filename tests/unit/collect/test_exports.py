"""Collectors of flow exports: from sockets and files to windows; what is known of exporters."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.collect.collector import Collector, FrameSelection
from phage.collect.collectors.exportfile import ExportFileCollector
from phage.collect.collectors.netflow import NetFlowCollector
from phage.collect.collectors.sflow import SFlowCollector
from phage.collect.exports import (
    ExportCollector,
    ExporterSettings,
    ExportSettings,
    Listening,
    comparison,
)
from phage.errors import CaptureError, StateError
from phage.native import PrefixSet, ToldFlows
from phage.records.address import format_address
from phage.records.watched import FIRST_SERVICE, GROUP, HostGroup, Watched, group_key, numbered
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phage.records import Window

ENDS = ("10.0.0.1", "198.51.100.2")


def netflow5(*, packets: int = 5, sampling: int = 0, flags: int = 0x1B) -> bytes:
    """Return a datagram of NetFlow version 5 with one record."""
    header = struct.pack(">HHIIIIBBH", 5, 1, 1_000_000, 1_700_000_000, 0, 7, 0, 0, sampling)
    ends = b"".join(map(socket.inet_aton, ENDS)) + bytes(4)
    counts = struct.pack(">HHIIII", 3, 4, packets, packets * 120, 990_000, 999_000)
    ports = struct.pack(">HHBBBBHHBBH", 40_000, 443, 0, flags, 6, 0, 0, 0, 0, 0, 0)
    return header + ends + counts + ports


TEMPLATE = struct.pack(">HHHHHHHHHH", 0, 20, 256, 3, 8, 4, 12, 4, 2, 4)
DATA = struct.pack(">HH4s4sI", 256, 16, socket.inet_aton(ENDS[0]), socket.inet_aton(ENDS[1]), 3)


def netflow9(*sets: bytes) -> bytes:
    """Return a datagram of NetFlow version 9."""
    return struct.pack(">HHIIII", 9, len(sets), 1_000_000, 1_700_000_000, 0, 1) + b"".join(sets)


class Running:
    """A collector in a thread of its own."""

    def __init__(self, collector: ExportCollector) -> None:
        self.collector = collector
        self.windows: list[Window] = []
        collector.open()
        udp, _ = collector.addresses
        host, _, port = udp[0].rpartition(":")
        self.to = (host, int(port))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.windows.extend(self.collector.windows())

    def send(self, *datagrams: bytes, exporter: str = "127.0.0.1") -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((exporter, 0))
            for datagram in datagrams:
                sender.sendto(datagram, self.to)

    def stop(self) -> None:
        self.collector.stop()
        self._thread.join()


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(settings: ExportSettings | None = None, told: ToldFlows | None = None) -> Running:
        listening = Listening(udp=("127.0.0.1:0",), receive_buffer=1 << 16)
        made.append(Running(NetFlowCollector(settings or ExportSettings(), listening, told)))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        each.collector.close()


def test_a_record_becomes_a_flow(running: Callable[..., Running]) -> None:
    run = running()
    run.send(netflow5())
    until("what was sent", lambda: run.windows)
    window = run.windows[0]
    row = window.flows[0]
    assert (window.packets, window.octets) == (5, 600)
    assert (format_address(bytes(row["src"])), format_address(bytes(row["dst"]))) == ENDS
    assert (row["packets"].tolist(), row["octets"].tolist()) == ([5, 0], [600, 0])
    assert (row["dst_port"], row["home"]) == (443, 1)
    # Its clock is years behind: times are those of arrival.
    assert abs(window.end - row["last"]) < 60 * 10**9
    counters = run.collector.counters()
    assert (counters["records"], counters["source.dropped"]) == (1, 0)


def test_rates_by_hand_and_names_of_exporters(running: Callable[..., Running]) -> None:
    exporters = (
        ExporterSettings("127.0.0.0/8", "lab", 50),
        ExporterSettings("127.0.0.1/32", "edge", 10),
    )
    run = running(ExportSettings(exporters=exporters))
    run.send(netflow5())
    until("what was sent", lambda: run.windows)
    assert run.windows[0].packets == 50
    (exporter,) = run.collector.exporters()
    assert (exporter.name, exporter.address, exporter.records) == ("edge", "127.0.0.1", 1)
    assert exporter.drift > 10**15


@pytest.mark.parametrize(
    ("settings", "packets", "counter"),
    [
        (ExportSettings(), 7, "exports.duplicates"),
        (ExportSettings(find_duplicates=False), 12, ""),
        (
            ExportSettings(exporters=(ExporterSettings("127.0.0.2", take="none"),)),
            5,
            "exports.left_out",
        ),
        (
            # It comes in by interface 3.
            ExportSettings(
                exporters=(ExporterSettings("127.0.0.2", take="ingress", interfaces=(4, 9)),)
            ),
            5,
            "exports.left_out",
        ),
    ],
)
def test_a_flow_that_two_routers_tell_of(
    running: Callable[..., Running], settings: ExportSettings, packets: int, counter: str
) -> None:
    run = running(settings)
    run.send(netflow5(packets=5))
    run.send(netflow5(packets=7), exporter="127.0.0.2")
    until("both", lambda: run.collector.counters()["records"] == 2)
    run.stop()
    assert sum(window.packets for window in run.windows) == packets
    if counter == "exports.duplicates":
        assert run.collector.counters()["exports.duplicate_packets"] == 5
    elif counter:
        assert run.collector.counters()[counter] == 1


def test_routers_at_different_collectors_tell_of_a_flow_once(
    running: Callable[..., Running],
) -> None:
    settings = ExportSettings()
    told = comparison(settings)
    one, other = running(settings, told), running(settings, told)
    one.send(netflow5(packets=5))
    until("the first", lambda: one.collector.counters()["records"] == 1)
    other.send(netflow5(packets=5), netflow5(packets=4), exporter="127.0.0.2")
    until("the others", lambda: other.collector.counters()["records"] == 2)
    for run in (one, other):
        run.stop()
    assert [sum(window.packets for window in run.windows) for run in (one, other)] == [5, 4]
    (edge,), (core,) = one.collector.exporters(), other.collector.exporters()
    assert (edge.records, edge.duplicates, edge.duplicate_packets) == (1, 0, 0)
    assert (core.records, core.duplicates, core.duplicate_packets) == (2, 1, 5)


def test_services_and_groups_have_rows_of_their_own(running: Callable[..., Running]) -> None:
    watched = Watched(numbered(["tcp/443"]), (HostGroup("lab", ("10.0.0.0/24",)),))
    run = running(ExportSettings(home=("10.0.0.0/8",), watch=watched.as_core()))
    run.send(netflow5(packets=5000))
    until("it", lambda: any(len(window.volumes) for window in run.windows))
    rows = np.concatenate([window.volumes for window in run.windows])
    # It is paid out over its time: all of one half-second.
    places = {int(row["length"]): row for row in rows[rows["time"] == rows["time"][0]]}
    (number,) = dict(watched.services).values()
    assert {128, FIRST_SERVICE + number, GROUP} <= places.keys()
    assert bytes(places[GROUP]["address"]) == group_key("lab")
    for length in (FIRST_SERVICE + number, GROUP):
        assert places[length]["packets"].tolist() == places[128]["packets"].tolist()
    with pytest.raises(ValueError, match="no service"):
        running(ExportSettings(watch={"services": [["http", 1]]}))


def test_templates_outlive_a_restart(running: Callable[..., Running]) -> None:
    run = running()
    run.send(netflow9(TEMPLATE))
    until("what was sent", run.collector.exporters)
    state = run.collector.save_templates()
    other = running()
    other.send(netflow9(DATA))
    until("what was sent", other.collector.exporters)
    assert other.collector.counters()["records"] == 0
    third = running()
    third.collector.load_templates(state)
    third.send(netflow9(DATA))
    until("what was sent", lambda: third.collector.counters()["records"])
    with pytest.raises(StateError):
        third.collector.load_templates(b"nonsense")


def test_flows_are_looked_up_in_feeds(running: Callable[..., Running]) -> None:
    run = running()
    mapped = bytes(10) + b"\xff\xff" + socket.inet_aton(ENDS[1])
    run.collector.match(PrefixSet(mapped, bytes([128]), struct.pack("<I", 7)))
    run.send(netflow5())
    until("what was sent", lambda: run.windows)
    assert run.windows[0].matches["value"].tolist() == [7]


def test_what_is_no_export_is_counted(running: Callable[..., Running]) -> None:
    run = running()
    run.send(b"", b"\x00", b"GET / HTTP/1.1", bytes(1400), netflow5()[:20])
    until("what was sent", lambda: run.collector.counters()["exports.malformed"] == 5)
    assert not run.windows
    assert run.collector.exporters() == []


def test_collectors_satisfy_the_contract() -> None:
    for kind in (NetFlowCollector, SFlowCollector):
        collector = kind(ExportSettings(), Listening(udp=("127.0.0.1:2055",)))
        assert isinstance(collector, Collector)
        assert collector.frames(FrameSelection(0, 1)) == collector.scores() == b""
        assert collector.interface == "udp 127.0.0.1:2055"


def test_an_address_in_use_is_told(running: Callable[..., Running]) -> None:
    run = running()
    taken = f"127.0.0.1:{run.to[1]}"
    with pytest.raises(CaptureError, match=taken):
        NetFlowCollector(ExportSettings(), Listening(udp=(taken,))).open()


def test_files_of_datagrams(tmp_path: Path) -> None:
    path = tmp_path / "exports.lp"
    datagrams = [netflow5(packets=number) for number in (1, 2, 3)]
    path.write_bytes(b"".join(struct.pack("<H", len(each)) + each for each in datagrams))
    collector = ExportFileCollector(ExportSettings(), [path], "192.0.2.7")
    collector.open()
    windows = list(collector.windows())
    assert sum(window.packets for window in windows) == 6
    assert windows[0].start == 1_700_000_000 * 10**9
    assert [each.address for each in collector.exporters()] == ["192.0.2.7"]
    assert collector.faults() == []


@pytest.mark.peer
def test_totals_of_real_exporters(peer_data: Path) -> None:
    cases = sorted((peer_data / "flows" / "attack").glob("*/truth.json"))
    assert cases
    for truth in cases:
        for name, told in json.loads(truth.read_text())["exports"].items():
            collector = ExportFileCollector(ExportSettings(), [truth.parent / told["file"]])
            collector.open()
            packets = sum(window.packets for window in collector.windows())
            counted = collector.counters()
            where = f"{truth.parent.name}, {name}"
            assert (counted["records"], packets) == (told["records"], told["scaled_packets"]), where
            assert counted["exports.malformed"] == 0, where
