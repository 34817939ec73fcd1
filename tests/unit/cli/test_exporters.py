"""`phage exporters list`, `phage flows listen` and `phage flows top`."""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.records.exporter import Exporter
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.store.store import StoreLocation, open_store
from phage.testing.ports import free_port
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Phage = Callable[..., Any]

ROUTER = Exporter(
    "192.0.2.1",
    7,
    10,
    "edge",
    EPOCH,
    EPOCH,
    sampling=1000,
    drift=3_600 * 10**9,
    records=9,
    lost=2,
    duplicates=4,
    duplicate_packets=5,
)


@pytest.fixture
def filled(tmp_path: Path) -> None:
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as store:
        store.exporters.save([ROUTER])
        now = SystemClock().now()
        store.traffic.save(
            [
                Traffic(TrafficKind.HOST, "10.0.0.1", "", now, (5, 6), (500, 700), 3),
                Traffic(TrafficKind.PAIR, "10.0.0.1", "192.0.2.9", now, (5, 6), (500, 700), 3),
            ]
        )


@pytest.mark.usefixtures("filled")
def test_exporters_are_listed(phage: Phage) -> None:
    answer = phage("exporters", "list")
    assert answer.code == 0
    for text in ("192.0.2.1", "edge", "IPFIX", "1:1000", "+3600.0 s"):
        assert text in answer.out
    (shape,) = json.loads(phage("exporters", "list", "--output", "json").out)
    assert (shape["address"], shape["lost"], shape["format"]) == ("192.0.2.1", 2, "IPFIX")
    assert shape["clock_behind_seconds"] == 3600.0
    assert (shape["duplicates"], shape["duplicate_packets"]) == (4, 5)


@pytest.mark.usefixtures("filled")
def test_who_moved_most(phage: Phage) -> None:
    answer = phage("flows", "top", "--output", "json")
    (top,) = json.loads(answer.out)
    assert (top["name"], top["octets_sent"], top["flows"]) == ("10.0.0.1", 500, 3)
    assert "10.0.0.1 - 192.0.2.9" in phage("flows", "top", "--by", "pair").out


@pytest.fixture
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _netflow5() -> bytes:
    header = struct.pack(">HHIIIIBBH", 5, 1, 1_000_000, 1_700_000_000, 0, 7, 0, 0, 0)
    ends = bytes([10, 0, 0, 1]) + bytes([198, 51, 100, 2]) + bytes(4)
    counts = struct.pack(">HHIIII", 3, 4, 5, 600, 990_000, 999_000)
    return header + ends + counts + struct.pack(">HHBBBBHHBBH", 4000, 443, 0, 27, 6, *[0] * 6)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_records_are_printed_as_they_come(phage: Phage, form: str) -> None:
    port = free_port()
    stop = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                sender.sendto(_netflow5(), ("127.0.0.1", port))
                time.sleep(0.02)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        listen = f"127.0.0.1:{port}"
        answer = phage("flows", "listen", "--netflow", listen, "--count", "2", "--output", form)
    finally:
        stop.set()
        sending.join()
    assert answer.code == 0
    assert f"listening at udp {listen}" in answer.err
    assert "127.0.0.1  domain 0, NetFlow 5" in answer.err
    lines = answer.out.splitlines()
    assert len(lines) == 2
    if form == "jsonl":
        record = json.loads(lines[0])
        assert (record["exporter"], record["src"], record["bytes"]) == (
            "127.0.0.1",
            "10.0.0.1",
            600,
        )
    else:
        assert "10.0.0.1:4000" in lines[0]


def test_an_address_that_is_none_is_told(phage: Phage) -> None:
    answer = phage("flows", "listen", "--netflow", "nowhere")
    assert answer.code == 1
    assert "'nowhere': must be an address and a port" in answer.err
