"""Definitions on their way: a canary first, then all; refused, withdrawn, taken by workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings, WorkerSettings
from phage.daemon.definitionwork import DefinitionKeeper
from phage.daemon.releases import Releases
from phage.daemon.scanfolders import ScanFolders
from phage.errors import PhageError
from phage.records.scanrelease import ReleaseState
from phage.records.scantask import EngineReport, WorkerReport
from phage.scan.content import Content
from phage.scan.definitions import in_force
from phage.scan.engineset import find_engines
from phage.scan.master import MasterError, Release, Wanted
from phage.scan.vault import Vault
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.schema import migrate
from phage.store.store import Store
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

RULE = 'rule Extra { strings: $a = "extra" condition: $a }\n'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = SqliteDatabase(tmp_path / "store.sqlite3")
    migrate(database, 1)
    with Store(database) as made:
        yield made


@pytest.fixture
def releases(tmp_path: Path, store: Store) -> Releases:
    folders = ScanFolders(tmp_path / "engines", tmp_path / "samples")
    return Releases(WorkerSettings(canary_time=600), folders, store, FixedClock(EPOCH))


def worker(name: str, releases: Releases, **about: Any) -> WorkerReport:
    report = EngineReport("yara", **about)
    now = releases._clock.now()
    made = WorkerReport(name, "token", seen=now, started=now, engines=(report,))
    releases._store.scan_workers.seen(made, 0)
    return made


def begin(releases: Releases, data: bytes = b"rules", name: str = "a.yar") -> str:
    with Content.of_bytes(data, name) as content:
        return releases.begin("yara", content, "user:admin").id


def later(releases: Releases, seconds: float) -> None:
    clock = releases._clock
    assert isinstance(clock, FixedClock)
    clock.nanoseconds += int(seconds * 1e9)


def test_a_canary_first_then_all_and_back(releases: Releases) -> None:
    one, two = worker("one", releases), worker("two", releases)
    id_ = begin(releases)
    assert releases.wanted(one)["yara"].id == id_
    assert releases.wanted(two) == {}
    has = worker("one", releases, release=id_)
    assert releases.wanted(has) == {}
    assert releases.wanted(two) == {}
    later(releases, 601)
    releases.wanted(has)
    assert releases.wanted(two)["yara"].id == id_
    releases.withdraw(id_)
    assert releases.wanted(has)["yara"].id == ""
    assert releases.wanted(two) == {}
    with pytest.raises(PhageError, match="no release"):
        releases.withdraw(id_)


def test_what_the_canary_refuses_nobody_gets(releases: Releases) -> None:
    worker("one", releases)
    two = worker("two", releases)
    id_ = begin(releases)
    refuses = worker("one", releases, refused=f"{id_}: finds X in /usr/bin/ls")
    assert releases.wanted(refuses) == {}
    (release,) = releases._store.scan_releases.list()
    assert release.state is ReleaseState.FAILED
    assert release.fault == "finds X in /usr/bin/ls"
    later(releases, 10_000)
    assert releases.wanted(two) == {}


def test_a_later_release_takes_the_place_of_one_that_is_tried(releases: Releases) -> None:
    one = worker("one", releases)
    first = begin(releases)
    later(releases, 1)
    second = begin(releases, b"other")
    states = {each.id: each.state for each in releases._store.scan_releases.list()}
    assert states == {first: ReleaseState.WITHDRAWN, second: ReleaseState.CANARY}
    assert releases.wanted(one)["yara"].id == second


def test_somebody_has_to_try_it(releases: Releases) -> None:
    with pytest.raises(PhageError, match="no worker serves yara"):
        begin(releases)
    worker("one", releases, fault="fails")
    with pytest.raises(PhageError, match="no worker serves yara"):
        begin(releases)


def test_what_a_worker_has_of_others_is_its_own(releases: Releases) -> None:
    assert releases.wanted(worker("one", releases, release="somebody-else-s")) == {}


def test_what_is_out_is_not_crowded_out_by_what_is_new(releases: Releases) -> None:
    releases._vault.most = 2500
    worker("one", releases)
    out = begin(releases, bytes(1000))
    later(releases, 601)
    worker_ = worker("one", releases, release=out)
    releases.wanted(worker_)
    later(releases, 601)
    releases.wanted(worker_)
    assert releases._store.scan_releases.list()[0].state is ReleaseState.OUT
    for number in range(4):
        later(releases, 1)
        worker("one", releases, release=out)
        id_ = begin(releases, b"%d" % number * 900)
        releases.withdraw(id_)
    assert releases._vault.crowded
    file, size = releases.open(out)
    file.close()
    assert size > 1000


class FakeMaster:
    """Has files of releases."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.away = False

    @contextmanager
    def definitions(self, release: Release) -> Iterator[io.BufferedIOBase]:
        if self.away:
            message = "cannot be asked"
            raise MasterError(message)
        with self.vault.disguised(release.sha256) as file:
            yield file  # type: ignore[misc]

    def beat(self, report: WorkerReport) -> Wanted:
        raise NotImplementedError


class FakeGate:
    """Notes what is paused and resumed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def pause(self, engine: str) -> None:
        self.done.append(f"-{engine}")

    def resume(self, engine: str) -> None:
        self.done.append(f"+{engine}")


def stumble(*_: object) -> None:
    message = "cannot be cut"
    raise ValueError(message)


def test_a_worker_takes_tests_and_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("yara_x")
    settings = ScanSettings(isolation="none", workers=WorkerSettings(good=(tmp_path / "good",)))
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "ls").write_bytes(b"a good program that has nothing in it")
    (tmp_path / "vault").mkdir()
    master, gate = FakeMaster(Vault(tmp_path / "vault")), FakeGate()
    folder = tmp_path / "engines"
    keeper = DefinitionKeeper(lambda: settings, folder, SystemClock())

    def released(id_: str, text: str) -> Release:
        with Content.of_bytes(text.encode(), "own.yar") as content:
            master.vault.put(content)
            return Release(id_, content.hashes.sha256, "own.yar")

    def keep(release: Release) -> list[str]:
        return keeper.keep({"yara": release}, master, gate)  # type: ignore[arg-type]

    def version() -> str:
        return find_engines(settings, folder, ["yara"]).ready["yara"].version.definitions

    plain = version()
    first, second = released("a1", RULE), released("b2", RULE.replace("Extra", "Other"))
    master.away = True
    assert keep(first) == []
    assert keeper.refused == {}
    master.away = False
    assert keep(first) == ["yara"]
    assert gate.done == ["-yara", "+yara"] * 2
    assert keeper.release("yara") == "a1"
    with_first = version()
    assert with_first != plain
    assert keep(second) == ["yara"]
    assert keeper.release("yara") == "b2"
    # Refused are those that the engine stumbles over, whatever it says of them.
    with monkeypatch.context() as patched:
        patched.setattr("phage.daemon.definitionwork.update", stumble)
        assert keep(released("c2", RULE.replace("Extra", "Odd"))) == []
    assert keeper.refused["yara"] == "c2: cannot be cut"
    # Refused are those that find something in what is good.
    assert keep(released("c3", RULE.replace('"extra"', '"a good program"'))) == []
    assert keeper.refused["yara"].startswith("c3: ")
    assert keeper.release("yara") == "b2"
    # Back to the one before: it lies there still.
    master.away = True
    assert keep(first) == ["yara"]
    assert (keeper.release("yara"), version()) == ("a1", with_first)
    assert keep(Release("")) == ["yara"]
    assert (keeper.release("yara"), version(), in_force(folder / "yara")) == ("", plain, "")
