"""Backup and restore: whole, verified, across engines; what is damaged changes nothing."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.config.statedir import StateDirectory
from phage.errors import StateError
from phage.records.device import Device
from phage.store.backup import back_up
from phage.store.manifest import NAME, STORE, is_expected, read_manifest
from phage.store.repositories.counters import MinuteCounter
from phage.store.repositories.models import ModelSaved
from phage.store.restore import restore
from phage.store.store import StoreLocation, open_reader, open_store
from phage.testing.records import EPOCH, make_finding, make_flow

if TYPE_CHECKING:
    from phage.clock import FixedClock


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    return directory


def fill(
    location: StoreLocation, state: StateDirectory, clock: FixedClock, count: int = 50
) -> None:
    with open_store(location, clock) as store:
        store.findings.save(make_finding(number) for number in range(count))
        store.flows.save(make_flow(number) for number in range(count * 50))
        store.devices.save([Device("d", first_seen=1, last_seen=2, packets=3, octets=4)])
        store.counters.save([MinuteCounter(EPOCH, "packets", 2.5)])
        store.models.save(ModelSaved("a.model", 1, 2, "watching", "00", 3))
    (state.models / "a.model").write_bytes(b"model\0" * 100)
    (state.captures / "deep").mkdir(exist_ok=True)
    (state.captures / "deep" / "x.pcap").write_bytes(b"")


def content(location: StoreLocation) -> tuple[Any, ...]:
    with open_reader(location) as store:
        return (
            store.findings.list(limit=10_000),
            store.flows.list(limit=100_000),
            store.devices.list(),
            store.counters.list("packets", 0, 2**62),
            store.models.list(),
        )


def save(target: Path, location: StoreLocation, state: StateDirectory, clock: FixedClock) -> Path:
    report = back_up(target, location, state, clock, "0.1.0")
    assert report.octets == target.stat().st_size
    return target


def test_a_backup_brings_everything_back(
    location: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    fill(location, state, clock)
    before = content(location)
    archive = save(tmp_path / "b.tar.gz", location, state, clock)
    assert archive.stat().st_mode & 0o777 == 0o600
    with open_store(location, clock) as store:
        store.findings.save([make_finding(999)])
        store.flows.save([make_flow(99_999)])
    (state.models / "a.model").write_bytes(b"changed")
    (state.models / "b.model").write_bytes(b"new")
    report = restore(archive, location, state, clock)
    assert content(location) == before
    assert (state.models / "a.model").read_bytes() == b"model\0" * 100
    assert not (state.models / "b.model").exists()
    assert (state.captures / "deep" / "x.pcap").exists()
    # The state before is still there.
    aside = Path(report.aside)
    assert (aside / "models" / "b.model").read_bytes() == b"new"
    with open_reader(StoreLocation.of("", "", aside / STORE)) as old:
        assert old.findings.count() == 51
    assert [path.name for path in state.path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.system
@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_backup_goes_from_one_engine_to_the_other(
    request: pytest.FixtureRequest,
    state: StateDirectory,
    clock: FixedClock,
    tmp_path: Path,
    source: str,
    target: str,
) -> None:
    here: StoreLocation = request.getfixturevalue(source)
    there: StoreLocation = request.getfixturevalue(target)
    fill(here, state, clock)
    archive = save(tmp_path / "b.tar.gz", here, state, clock)
    elsewhere = StateDirectory(tmp_path / "elsewhere")
    report = restore(archive, there, elsewhere, clock)
    assert report.aside == ""
    assert content(there) == content(here)
    assert (elsewhere.models / "a.model").read_bytes() == b"model\0" * 100


def test_a_backup_is_of_one_moment_while_others_write(
    location: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    """A flow and a finding are always written together; so they are in the backup."""
    with open_store(location, clock) as store:
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                with store.database.transaction():
                    store.flows.save([make_flow(number)])
                    store.findings.save([make_finding(number)])
                number += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for number in range(3):
                save(tmp_path / f"{number}.tar.gz", location, state, clock)
        finally:
            stop.set()
            thread.join()
    for number in range(3):
        target = StateDirectory(tmp_path / f"restored{number}")
        place = StoreLocation.of("", "", target.store)
        restore(tmp_path / f"{number}.tar.gz", place, target, clock)
        with open_reader(place) as restored:
            assert restored.flows.count() == restored.findings.count()


def test_a_dry_run_changes_nothing(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    fill(sqlite, state, clock)
    archive = save(tmp_path / "b.tar.gz", sqlite, state, clock)
    with open_store(sqlite, clock) as store:
        store.findings.save([make_finding(999)])
    before = content(sqlite)
    report = restore(archive, sqlite, state, clock, dry_run=True)
    assert len(report.manifest.files) == 3
    assert content(sqlite) == before


def test_a_backup_is_not_written_over_another(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    fill(sqlite, state, clock, 1)
    save(tmp_path / "b.tar.gz", sqlite, state, clock)
    with pytest.raises(StateError, match="is there already"):
        save(tmp_path / "b.tar.gz", sqlite, state, clock)
    with pytest.raises(StateError, match="cannot be written"):
        save(tmp_path / "none" / "b.tar.gz", sqlite, state, clock)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "state"]


def test_a_running_phage_is_not_replaced_under_its_feet(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    fill(sqlite, state, clock, 1)
    archive = save(tmp_path / "b.tar.gz", sqlite, state, clock)
    with state.lock(), pytest.raises(StateError, match="in use by process"):
        restore(archive, sqlite, state, clock)


def rewritten(archive: Path, target: Path, change: Any) -> Path:
    """Write an archive anew with its members changed: {name: octets, or None to leave it out}."""
    with tarfile.open(archive) as old, tarfile.open(target, "w:gz") as new:
        members = {member.name: old.extractfile(member).read() for member in old}  # type: ignore[union-attr]
        for name, data in change(members).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    return target


def with_manifest(members: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    manifest = json.loads(members[NAME])
    return {**members, NAME: json.dumps(manifest | changes).encode()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: {**m, "models/a.model": b"other"}, "models/a.model is damaged"),
        (
            lambda m: {k: v for k, v in m.items() if k != "models/a.model"},
            "models/a.model is damaged",
        ),
        (lambda m: {**m, "models/extra": b"x"}, "models/extra is damaged"),
        (lambda m: {k: v for k, v in m.items() if k != NAME}, "has no manifest"),
        (lambda m: {**m, NAME: b"{}"}, "manifest is damaged"),
        (lambda m: {**m, NAME: b"[" * 100_000}, "manifest is damaged"),
        (lambda m: with_manifest(m, format=99), "later phage"),
        (lambda m: {**m, "../evil": b"x"}, "belongs in no backup"),
        (lambda m: {**m, "/etc/passwd": b"x"}, "belongs in no backup"),
        (lambda m: {**m, "models/../../evil": b"x"}, "belongs in no backup"),
        (lambda m: {**m, "lock": b"x"}, "belongs in no backup"),
    ],
)
def test_what_is_not_as_the_manifest_says_is_refused(
    sqlite: StoreLocation,
    state: StateDirectory,
    clock: FixedClock,
    tmp_path: Path,
    change: Any,
    says: str,
) -> None:
    fill(sqlite, state, clock, 2)
    archive = save(tmp_path / "b.tar.gz", sqlite, state, clock)
    before = content(sqlite)
    bad = rewritten(archive, tmp_path / "bad.tar.gz", change)
    with pytest.raises(StateError, match=says):
        restore(bad, sqlite, state, clock)
    assert content(sqlite) == before
    assert not list(state.path.glob("aside-*"))
    assert not list(state.path.glob(".restore-*"))


def test_links_and_devices_are_refused(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ):
        with tarfile.open(tmp_path / "links.tar.gz", "w:gz") as archive:
            info = tarfile.TarInfo("models/x")
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
        with pytest.raises(StateError, match="belongs in no backup"):
            restore(tmp_path / "links.tar.gz", sqlite, state, clock)


def test_a_member_that_would_fill_the_disk_is_refused(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    info = tarfile.TarInfo("models/bomb")
    info.size = 1 << 60
    header = info.tobuf(tarfile.GNU_FORMAT)
    import gzip

    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header + bytes(1024)))
    with pytest.raises(StateError, match="free some space"):
        restore(tmp_path / "bomb.tar.gz", sqlite, state, clock)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_is_cut_short_is_refused(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path, share: float
) -> None:
    fill(sqlite, state, clock, 2)
    archive = save(tmp_path / "b.tar.gz", sqlite, state, clock)
    before = content(sqlite)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(StateError):
        restore(archive, sqlite, state, clock)
    assert content(sqlite) == before


def test_a_flipped_bit_is_found(
    sqlite: StoreLocation, state: StateDirectory, clock: FixedClock, tmp_path: Path
) -> None:
    fill(sqlite, state, clock, 2)
    data = save(tmp_path / "b.tar.gz", sqlite, state, clock).read_bytes()
    before = content(sqlite)
    for position in range(100, len(data), len(data) // 20):
        spoiled = bytearray(data)
        spoiled[position] ^= 0x10
        (tmp_path / "bad.tar.gz").write_bytes(spoiled)
        with pytest.raises(StateError):
            restore(tmp_path / "bad.tar.gz", sqlite, state, clock)
    assert content(sqlite) == before


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_octets_are_a_manifest_or_refused(data: bytes) -> None:
    with pytest.raises(StateError, match="manifest is damaged"):
        read_manifest(data, "x")


@given(st.text(max_size=40))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    if is_expected(name):
        target = (Path("/state") / name).resolve()
        assert str(target).startswith("/state/")


def test_names_that_belong() -> None:
    for name in (NAME, STORE, "models/a", "captures/deep/x.pcap"):
        assert is_expected(name)
    for name in (
        "",
        "models",
        "models/",
        "models//x",
        "models/./x",
        "captures/..",
        "x/y",
        "models/a\0b",
    ):
        assert not is_expected(name)
