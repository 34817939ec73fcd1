"""Scans in the daemon: stored, compared, told to the inventory; one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.settings import Settings
from phage.daemon import discovery
from phage.daemon.devices import make_inventory
from phage.daemon.discovery import DiscoveryService, keep_scan, make_scan, told
from phage.errors import ScanError
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, ScanOptions, ScanState, Service
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.store.store import Store

MAC = "02:00:00:00:00:01"
BANNER = "SSH-2.0-OpenSSH_6.7p1 Debian-5+deb8u1"


@pytest.fixture
def place(tmp_path: Path) -> StoreLocation:
    return StoreLocation(f"sqlite:///{tmp_path}/store.sqlite3")


@pytest.fixture
def store(place: StoreLocation) -> Iterator[Store]:
    with open_store(place, FixedClock(EPOCH)) as opened:
        yield opened


def scan(number: int, *services: Service) -> Scan:
    at = EPOCH + number * 900 * 10**9
    return Scan(
        f"{number:013x}", ("10.0.0.0/24",), started=at, ended=at + 10**9, state=ScanState.DONE,
        hosts=(ScanHost("10.0.0.1", MAC, services=services),),
    )  # fmt: skip


def test_what_a_scan_saw_is_in_the_inventory_and_the_history(store: Store) -> None:
    inventory = make_inventory(("10.0.0.0/8",), FixedClock(EPOCH))
    ssh = Service("tcp", 22, "ssh", BANNER, "OpenSSH 6.7p1")
    for number in range(20):
        assert keep_scan(scan(number, ssh), store, inventory) == []
    device = inventory.of(MAC)
    assert device is not None
    assert any("openssh:6.7p1" in trait.value for trait in device.traits)
    telnet = Service("tcp", 23, "telnet")
    (diff,) = keep_scan(scan(20, ssh, telnet), store, inventory)
    assert told(diff) == f"10.0.0.1 ({MAC}): tcp/23 is open for the first time (telnet)"
    (event,) = store.devices.events(device.id)
    assert (event.what, event.detail) == ("service new", "tcp/23 telnet")


def test_half_a_scan_compares_with_nothing(store: Store) -> None:
    inventory = make_inventory((), FixedClock(EPOCH))
    half = Scan("1" * 13, started=EPOCH, ended=EPOCH, state=ScanState.STOPPED)
    assert keep_scan(half, store, inventory) == []
    assert store.scans.memory() == {}


@pytest.mark.parametrize("status", list(Change))
def test_every_difference_has_a_sentence(status: Change) -> None:
    services = ("tcp/22",) if status in {Change.REMOVE, Change.CHANGE} else ("",)
    for service in services:
        assert "10.0.0.1" in told(ScanDiff("s", 0, status, "10.0.0.1", "", service, "a", "b"))


class Scanner:
    """A scan that lasts until it is let go."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.clock = SystemClock()
        self.notes: list[str] = []
        self.go = threading.Event()
        self.fault = fault

    def run(self, begun: Scan) -> Scan:
        self.go.wait(60)
        if self.fault is not None:
            raise self.fault
        return scan(1)


def test_what_fails_is_told_by_the_scan() -> None:
    failing: Any = Scanner(OSError("no such device"))
    failing.go.set()
    made = make_scan(failing, scan(1))
    assert (made.state, made.fault) == (ScanState.FAILED, "no such device")


def test_one_scan_at_a_time(place: StoreLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner()
    monkeypatch.setattr(discovery, "make_discovery", lambda *_: scanner)
    monkeypatch.setattr(discovery, "own_names", lambda: frozenset({"10.0.0.9"}))
    clock = SystemClock()
    service = DiscoveryService(
        Settings(), make_inventory((), clock), lambda: open_store(place, clock), clock
    )
    assert service.own_names() == frozenset()
    service.start()
    try:
        asked = service.ask(ScanOptions(), "user:anna")
        until("the scan", lambda: service.status().get("what") == "")
        assert service.status()["scan"] == asked.id
        assert service.own_names() == {"10.0.0.9"}
        with pytest.raises(ScanError, match="runs already"):
            service.ask(ScanOptions(), "user:anna")
        assert service.stop() == asked.id
        scanner.go.set()
        until("its end", lambda: not service.status()["scan"])
        assert service.stop() == ""
    finally:
        scanner.go.set()
        service.close()
    with open_store(place, clock) as store:
        assert len(store.scans.latest()) == 1
