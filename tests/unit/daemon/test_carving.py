"""Files from traffic are kept and queued with who got them; too many are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.config.settings import Settings
from phage.daemon import carving
from phage.daemon.carving import CarvedFiles, origin_of
from phage.daemon.engine import engine_settings
from phage.daemon.scanjobs import make_queue
from phage.records.address import parse_address
from phage.records.carved import CarvedFile
from phage.records.scanjob import Origin, Priority
from phage.scan.vault import Vault
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    import pytest

    from phage.scan.content import Content
    from phage.scan.queue import Queue


def file(data: bytes = b"octets", name: str = "a.com") -> CarvedFile:
    src, dst = parse_address("198.51.100.9"), parse_address("192.0.2.7")
    return CarvedFile(5, src, dst, 0, 0x00005E005307, 80, "http", name, data)


def test_who_got_it_is_where_it_went() -> None:
    assert origin_of(file()) == Origin(
        "192.0.2.7", "00:00:5e:00:53:07", "198.51.100.9", "http", "a.com", 5
    )


def test_files_are_kept_and_queued_once_a_minute(tmp_path: Path) -> None:
    clock = FixedClock(10**18)
    vault = Vault(tmp_path / "samples", most=1000)
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as store:
        jobs: Queue = make_queue(ScanSettings(), store, clock)

        def open_(_: ExitStack) -> tuple[Vault, Queue]:
            return vault, jobs

        woken: list[int] = []
        carved = CarvedFiles(open_, clock)
        carved.start(lambda: woken.append(1))
        carved.put([file(), file(), file(b"others"), file(bytes(2000))])
        carved.stop()
        assert (carved.queued, carved.dropped, len(woken)) == (2, 1, 2)
        (first, *_) = store.scan_jobs.list()
        assert first.priority == Priority.NETWORK
        assert first.origin is not None
        assert vault.has(first.sha256)
        assert not carved.keep(file(), vault, jobs)
        clock.nanoseconds += 61 * 10**9
        assert carved.keep(file(), vault, jobs)


def test_an_odd_file_does_not_end_it_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), SystemClock()) as store:
        jobs: Queue = make_queue(ScanSettings(), store, SystemClock())
        vault = Vault(tmp_path / "samples", most=1000)
        put = Vault.put

        def stumble(vault: Vault, content: Content) -> bool:
            if content.size == 3:
                raise ValueError
            return put(vault, content)

        monkeypatch.setattr(Vault, "put", stumble)
        carved = CarvedFiles(lambda _: (vault, jobs), SystemClock())
        carved.start()
        carved.put([file(b"odd"), file(b"named", "a\udcff\0b.com"), file(b"good")])
        carved.stop()
        assert (carved.queued, carved.dropped) == (2, 1)


def test_stopping_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carving, "STOP_SECONDS", 0.01)
    carved = CarvedFiles(lambda _: None, SystemClock())  # type: ignore[arg-type, return-value]
    carved.put([file()] * carving.WAITING)
    carved.stop()


def test_what_nobody_takes_in_time_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: ExitStack) -> tuple[Vault, Queue]:
        raise AssertionError

    carved = CarvedFiles(never, SystemClock())
    monkeypatch.setattr(carving, "WAITING_OCTETS", 20)
    carved.put([file()] * 5)
    assert carved.dropped == 2


def test_the_core_carves_only_where_it_is_told_to() -> None:
    settings = Settings()
    assert engine_settings(settings, seed=1).carve_octets == 0
    assert engine_settings(settings, seed=1, carve=True).carve_octets == 64 * 2**20
