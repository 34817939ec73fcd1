"""PostgreSQL, by psycopg 3."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, LiteralString

import psycopg

from phage.clock import SystemClock
from phage.errors import StoreDataError, StoreError
from phage.store.database import Row, Value, masked_url
from phage.store.schema import TABLES
from phage.store.transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONNECT_SECONDS = 5
"""A server that is there answers in milliseconds."""

STATEMENT_MILLISECONDS = 60_000
"""No statement of phage takes this long; a hung server must not hang phage."""

RECONNECT_SECONDS = 10.0
"""Pause between two tries to reach a server that ended the connection: nobody who stores something
waits long for one that is gone."""

SCHEMA_LOCK = 0x7068_6167
"""Key of the advisory lock that a change of the schema holds: "phag"."""

INDEX_FACTOR = 1.75
"""What indexes and page headers make of a row: 445 octets of 256, with 200,000 flows."""


class PostgresqlDatabase(Transactions):
    """One connection to a PostgreSQL server. Raises StoreError when it cannot be made.

    One that the server ended, as at its restart, is made again when it is next used.
    """

    dialect = "postgresql"
    beginning = "BEGIN"
    beginning_to_read = "BEGIN ISOLATION LEVEL REPEATABLE READ"

    def __init__(self, url: str, password: str = "", *, writable: bool = True) -> None:
        self.place = masked_url(url)
        super().__init__()
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c timezone=UTC"
        if not writable:
            options += " -c default_transaction_read_only=on"
        self._connect = functools.partial(
            psycopg.connect,
            url.replace("postgres://", "postgresql://", 1),
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="phage",
            options=options,
            client_encoding="utf-8",
            password=password or None,
        )
        self._patience: float | None = None
        self._clock = SystemClock()
        self._retry_at = 0.0
        self._is_closed = False
        with self._errors("cannot be reached"):
            self._connection_now = self._connect()

    @property
    def _connection(self) -> psycopg.Connection[Row]:
        """The connection; a new one where the server ended the last, but for a transaction.

        Raises psycopg.Error, at once while the server has just not been reached.
        """
        lost = self._connection_now.closed and not self._depth and not self._is_closed
        if lost and self._clock.monotonic() >= self._retry_at:
            self._retry_at = self._clock.monotonic() + RECONNECT_SECONDS
            self._connection_now = self._connect()
            self._retry_at = 0.0
            if self._patience is not None:
                self._connection_now.execute(_lock_timeout(self._patience))
        return self._connection_now

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError) as error:
            message = f"{self.place}: a record cannot be stored: {_first_line(error)}"
            raise StoreDataError(message) from error
        except psycopg.Error as error:
            advice = (
                "; check store.url and that the server runs" if what == "cannot be reached" else ""
            )
            message = f"{self.place}: {what}: {_first_line(error)}{advice}"
            raise StoreError(message) from error

    def be_impatient(self, seconds: float) -> None:
        """Wait no longer than this for another writer, and fail then."""
        self._patience = seconds
        with self._lock, self._errors("cannot be written"):
            self._connection.execute(_lock_timeout(seconds))

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it changed."""
        with self._lock, self._errors("cannot be written"):
            return self._connection.execute(_own(sql), parameters or None).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row."""
        with self._lock, self._errors("cannot be written"), self._connection.cursor() as cursor:
            cursor.executemany(_own(sql), rows)

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a query."""
        with self._lock, self._errors("cannot be read"):
            return self._connection.execute(_own(sql), parameters or None).fetchall()

    def stream(self, sql: str) -> Iterator[Row]:
        """Yield the rows of a query, some at a time, by a cursor in the server."""
        with (
            self._lock,
            self.snapshot(),
            self._errors("cannot be read"),
            self._connection.cursor(name="phage_stream") as cursor,
        ):
            cursor.itersize = 1000
            cursor.execute(_own(sql))
            yield from cursor

    def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")

    def lock_schema(self) -> None:
        """Keep other processes from changing the schema until the transaction ends."""
        self.execute("SELECT pg_advisory_xact_lock(?)", (SCHEMA_LOCK,))

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table."""
        return self.query("SELECT to_regclass(?) IS NOT NULL", (name,)) == [(True,)]

    def used(self) -> int:
        """Estimate the octets of the live rows.

        Deleted rows leave room that PostgreSQL uses again and does not give back, so the size of
        the files says nothing about what deleting would gain: rows are counted, their width is
        sampled.
        """
        total = 0.0
        for table in TABLES:
            count, width = self.query(
                f"SELECT (SELECT count(*) FROM {table}), "
                "(SELECT coalesce(avg(pg_column_size(t.*)), 0)::float8 "
                f"FROM (SELECT * FROM {table} LIMIT 1000) t)"
            )[0]
            total += float(count or 0) * float(width or 0) * INDEX_FACTOR
        return int(total)

    def reclaim(self) -> None:
        """Do nothing: the server's autovacuum does."""

    def check(self) -> list[str]:
        """Return nothing: a server watches over its own files."""
        return []

    def close(self) -> None:
        """Close the connection."""
        with self._lock, contextlib.suppress(psycopg.Error):
            self._is_closed = True
            self._connection_now.close()


def _own(sql: str) -> LiteralString:
    """Turn `?` into psycopg's placeholder. SQL is phage's own text: no literal holds `?` or `%`."""
    return sql.replace("?", "%s")


def _lock_timeout(seconds: float) -> LiteralString:
    return f"SET lock_timeout = {int(seconds * 1000)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
