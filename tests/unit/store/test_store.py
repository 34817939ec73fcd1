"""Opening stores: versions, damage, permissions."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phage.errors import StoreError
from phage.store.connect import open_database
from phage.store.database import masked_url, sqlite_path, sqlite_url
from phage.store.schema import TABLES, latest, migrations, statements, version
from phage.store.store import Store, StoreLocation, open_reader, open_store
from phage.testing.records import make_decision, make_finding

if TYPE_CHECKING:
    from phage.clock import FixedClock


def test_a_writer_may_be_impatient(location: StoreLocation, clock: FixedClock) -> None:
    with open_store(location, clock) as one, open_store(location, clock) as other:
        other.database.be_impatient(0.01)
        if other.database.dialect == "sqlite":
            assert other.database.query("PRAGMA busy_timeout") == [(10,)]
            with one.database.transaction(), pytest.raises(StoreError, match="another process"):
                other.decisions.save([make_decision(1)])
        other.decisions.save([make_decision(1)])
        assert other.decisions.count() == 1


@pytest.mark.system
def test_a_connection_that_the_server_ended_is_made_again(
    postgresql: StoreLocation, clock: FixedClock
) -> None:
    with open_store(postgresql, clock) as one, open_store(postgresql, clock) as other:
        other.database.be_impatient(0.25)
        (process,) = other.database.query("SELECT pg_backend_pid()")[0]
        one.database.query("SELECT pg_terminate_backend(?, 5000)", (process,))
        with pytest.raises(StoreError):
            other.decisions.save([make_decision(1)])
        other.decisions.save([make_decision(2)])
        assert other.decisions.count() == 1
        assert other.database.query("SHOW lock_timeout") == [("250ms",)]
    with pytest.raises(StoreError):
        other.decisions.count()


def test_a_new_store_has_the_latest_schema(store: Store) -> None:
    assert version(store.database) == latest(store.database.dialect)
    assert all(store.database.has_table(table) for table in TABLES)
    assert not store.database.has_table("nothing")
    assert store.database.check() == []


def test_opening_again_changes_nothing(location: StoreLocation, clock: FixedClock) -> None:
    with open_store(location, clock) as store:
        store.findings.save([make_finding(1)])
    with open_store(location, clock) as store:
        assert store.findings.count() == 1
    with open_reader(location) as store:
        assert store.findings.count() == 1
        with pytest.raises(StoreError):
            store.findings.save([make_finding(2)])


def test_a_store_of_a_later_phage_is_refused(location: StoreLocation, clock: FixedClock) -> None:
    with open_store(location, clock) as store:
        store.database.execute("INSERT INTO schema_version VALUES (9999, 0)")
    with pytest.raises(StoreError, match="later phage"):
        open_store(location, clock)
    with pytest.raises(StoreError, match="later phage"):
        open_reader(location)


def test_a_store_that_is_not_there_is_not_made_by_reading(sqlite: StoreLocation) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        open_reader(sqlite)
    assert sqlite.file is not None
    assert not sqlite.file.exists()


def test_an_empty_database_is_of_an_older_phage(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(StoreError, match="older phage"):
        open_reader(StoreLocation(sqlite_url(tmp_path / "empty")))


def test_the_file_is_for_the_owner_only(sqlite: StoreLocation, clock: FixedClock) -> None:
    open_store(sqlite, clock).close()
    assert sqlite.file is not None
    assert sqlite.file.stat().st_mode & 0o777 == 0o600


def spoil_header(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(b"not a database at all" + data[21:])


def spoil_pages(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 100] = os.urandom(100)
    file.write_bytes(data)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("spoil", [spoil_header, spoil_pages, cut_short])
def test_a_damaged_file_is_set_aside(
    sqlite: StoreLocation, clock: FixedClock, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert sqlite.file is not None
    with open_store(sqlite, clock) as store:
        store.findings.save(make_finding(number) for number in range(200))
    assert callable(spoil)
    spoil(sqlite.file)
    with caplog.at_level(logging.ERROR), open_store(sqlite, clock) as store:
        assert store.findings.count() == 0
        store.findings.save([make_finding(1)])
    aside = sqlite.file.with_name(f"{sqlite.file.name}.damaged-2023-11-14T221320.000000Z")
    assert aside.exists()
    assert str(aside) in caplog.text


def test_damage_is_no_reason_to_set_aside_when_only_reading(
    sqlite: StoreLocation, clock: FixedClock
) -> None:
    assert sqlite.file is not None
    open_store(sqlite, clock).close()
    spoil_header(sqlite.file)
    with pytest.raises(StoreError, match="not a database"):
        open_reader(sqlite)
    assert len(list(sqlite.file.parent.iterdir())) == 1


def test_a_foreign_folder_says_why(tmp_path: Path, clock: FixedClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(StoreLocation(sqlite_url(tmp_path / "file" / "store")), clock)
    with pytest.raises(StoreError, match="check that the folder exists"):
        open_database(sqlite_url(tmp_path / "none" / "store"))


def test_urls() -> None:
    assert sqlite_path("sqlite:////var/lib/x%20y") == Path("/var/lib/x y")
    assert sqlite_path("sqlite:///x") == Path("x")
    assert sqlite_path(sqlite_url(Path("/a b/%/?#"))) == Path("/a b/%/?#")
    for wrong in ("sqlite://x", "sqlite:", "sqlite:///"):
        with pytest.raises(StoreError, match="sqlite:///PATH"):
            sqlite_path(wrong)
    with pytest.raises(StoreError, match="no engine"):
        open_database("mysql://x/y")
    assert masked_url("postgresql://ada:pw@h/db") == "postgresql://ada:***@h/db"
    assert masked_url("postgresql://h/db") == "postgresql://h/db"


def test_a_server_that_is_not_there_says_so_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        open_database("postgresql://ada:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(caught.value)


def test_both_engines_have_the_same_changes() -> None:
    assert migrations("sqlite").keys() == migrations("postgresql").keys()


def test_a_change_that_was_released_late_is_made(
    location: StoreLocation, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations(location.url.partition(":")[0].removesuffix("://"))
    early = {number: sql for number, sql in known.items() if number != max(known) - 1}
    late = {**early, max(known) - 1: "CREATE TABLE late (a BIGINT);\n"}
    monkeypatch.setattr("phage.store.schema.migrations", lambda dialect: early)
    open_store(location, clock).close()
    monkeypatch.setattr("phage.store.schema.migrations", lambda dialect: late)
    with open_store(location, clock) as store:
        assert store.database.has_table("late")


def test_statements_end_at_lines_that_end_with_a_semicolon() -> None:
    sql = "-- why;\nCREATE TABLE a (\n  b TEXT DEFAULT ';x'\n);\n\nSELECT 1;\n"
    assert statements(sql) == ["CREATE TABLE a (\n  b TEXT DEFAULT ';x'\n)", "SELECT 1"]


def test_a_change_that_fails_leaves_nothing_behind(
    location: StoreLocation, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(location, clock):
        pass
    known = migrations(location.url.partition(":")[0].removesuffix("://"))
    broken = {**known, latest("sqlite") + 1: "CREATE TABLE extra (a BIGINT);\nNONSENSE;\n"}
    monkeypatch.setattr("phage.store.schema.migrations", lambda dialect: broken)
    with pytest.raises(StoreError):
        open_store(location, clock)
    monkeypatch.undo()
    with open_store(location, clock) as store:
        assert not store.database.has_table("extra")


def test_the_file_is_as_sqlite_should_be_set(sqlite: StoreLocation, clock: FixedClock) -> None:
    open_store(sqlite, clock).close()
    assert sqlite.file is not None
    connection = sqlite3.connect(sqlite.file)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    finally:
        connection.close()
