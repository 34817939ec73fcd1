"""SQLite: one file, write-ahead log, readers never wait for the writer."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from phage.errors import StoreDataError, StoreError
from phage.store.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from phage.store.database import Row, Value

BUSY_SECONDS = 5.0
"""How long to wait for another writer; backups and migrations take less."""

CACHE_KIB = 2048
"""Page cache: the rows just written are what is read; more costs memory and brings little."""

WAL_OCTETS = 16 * 2**20
"""The write-ahead log is cut back to this after a checkpoint."""

RECLAIM_PAGES = 2000
"""Pages given back at a time, 8 MB: some milliseconds of work."""

_DATA_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)


class SqliteDatabase(Transactions):
    """One connection to an SQLite file. Raises StoreError when it cannot be opened."""

    dialect = "sqlite"
    beginning = "BEGIN IMMEDIATE"
    beginning_to_read = "BEGIN"

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.place = str(path)
        super().__init__()
        if not writable and not path.exists():
            message = f"{path}: there is no store yet; `phage run` makes it"
            raise StoreError(message)
        with self._errors("cannot be opened"):
            self._connection = self._connect("rwc" if writable else "ro")
            try:
                self._prepare(writable=writable)
            except sqlite3.Error:
                self._connection.close()
                raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
        )

    def _prepare(self, *, writable: bool) -> None:
        run = self._connection.execute
        if writable:
            run("PRAGMA auto_vacuum = INCREMENTAL")  # Only counts before the first table.
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = NORMAL")  # A power cut loses the last second, never the file.
            run(f"PRAGMA journal_size_limit = {WAL_OCTETS}")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA trusted_schema = OFF")
        run(f"PRAGMA cache_size = -{CACHE_KIB}")
        run("SELECT count(*) FROM sqlite_master").fetchone()  # Fails here if it is no database.

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*_DATA_ERRORS, OverflowError, UnicodeEncodeError) as error:
            message = f"{self.path}: a record cannot be stored: {error}"
            raise StoreDataError(message) from error
        except sqlite3.Error as error:
            message = f"{self.path}: {what}: {error}{_advice(error)}"
            raise StoreError(message) from error

    def be_impatient(self, seconds: float) -> None:
        """Wait no longer than this for another writer, and fail then."""
        with self._lock, self._errors("cannot be opened"):
            self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        with self._lock, self._errors("cannot be written"):
            return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row."""
        with self._lock, self._errors("cannot be written"):
            self._connection.executemany(sql, rows)

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a query."""
        with self._lock, self._errors("cannot be read"):
            return self._connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str) -> Iterator[Row]:
        """Yield the rows of a query, some at a time."""
        with self._lock, self._errors("cannot be read"):
            cursor = self._connection.execute(sql)
            while rows := cursor.fetchmany(1000):
                yield from rows

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def lock_schema(self) -> None:
        """Do nothing: BEGIN IMMEDIATE has locked the file."""

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table."""
        return bool(
            self.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
        )

    def used(self) -> int:
        """Return the octets of the pages in use."""
        pages, free, size = (
            self._number(name) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _number(self, pragma: str) -> int:
        value = self.query(f"PRAGMA {pragma}")[0][0]
        return value if isinstance(value, int) else 0

    def reclaim(self) -> None:
        """Give freed pages back to the file system."""
        with self._lock, self._errors("cannot be written"):
            # The pragma frees one page a step; a script is stepped to its end, a statement is not.
            self._connection.executescript(f"PRAGMA incremental_vacuum({RECLAIM_PAGES})")
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def check(self) -> list[str]:
        """Return what PRAGMA quick_check finds; it reads the whole file."""
        # By a connection of its own: the pages it reads and its program, a megabyte, go with it.
        with self._errors("cannot be read"), contextlib.closing(self._connect("ro")) as own:
            found = [str(row[0]) for row in own.execute("PRAGMA quick_check(10)")]
        return [] if found == ["ok"] else found

    def copy_to(self, path: Path) -> None:
        """Copy the database to a new file, as of one moment, while others write."""
        with self._lock, self._errors("cannot be copied"):
            target = sqlite3.connect(path, isolation_level=None)
            try:
                self._connection.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")  # One file, without a log beside it.
            finally:
                target.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _advice(error: sqlite3.Error) -> str:
    """Return what to do about an error, where that is known."""
    name = getattr(error, "sqlite_errorname", "")
    for prefix, advice in (
        ("SQLITE_FULL", "free some space on the disk"),
        ("SQLITE_IOERR", "check the disk"),
        ("SQLITE_READONLY", "make the file and its folder writable"),
        ("SQLITE_CANTOPEN", "check that the folder exists and is accessible"),
        ("SQLITE_BUSY", "another process holds it; try again"),
        ("SQLITE_PERM", "check the permissions"),
    ):
        if name.startswith(prefix):
            return f"; {advice}"
    return ""


def is_damaged(error: StoreError) -> bool:
    """Tell whether an error means that the file is damaged or no database at all."""
    cause = error.__cause__
    name = getattr(cause, "sqlite_errorname", "")
    return isinstance(cause, sqlite3.DatabaseError) and name.startswith(
        ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    )
