"""The contract of a database: the thin layer that all SQL goes through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote, urlsplit

from phage.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

Value = str | int | float | bytes | None
Row = tuple[Value, ...]


class Database(Protocol):
    """One connection. SQL is written once for both engines, with `?` for parameters.

    Every method raises StoreError when the database fails, StoreDataError when a value cannot be
    stored. A connection may be used by several threads; a transaction holds it.
    """

    dialect: str
    """"sqlite" or "postgresql"."""

    place: str
    """Where it is, for people; never a password."""

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run one statement; return how many rows it changed."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row."""

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a query: the caller limits them."""

    def stream(self, sql: str) -> Iterable[Row]:
        """Yield the rows of a query, some at a time; for copies of whole tables."""

    def transaction(self) -> AbstractContextManager[None]:
        """Keep what is done inside together: all or nothing."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read inside as of one moment, while others write."""

    def lock_schema(self) -> None:
        """Keep other processes from changing the schema until the transaction ends."""

    def be_impatient(self, seconds: float) -> None:
        """Wait no longer than this for another writer, and fail then."""

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table."""

    def used(self) -> int:
        """Return the octets that the rows take, without room already freed; an estimate."""

    def reclaim(self) -> None:
        """Give some freed room back to the file system; bounded work."""

    def check(self) -> list[str]:
        """Return what is wrong with the database; empty when it is well."""

    def close(self) -> None:
        """Close the connection."""


def sqlite_path(url: str) -> Path:
    """Return the file that sqlite:///PATH names.

    Sqlite:////var/x is absolute, sqlite:///x is not.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or len(path) < 2:
        message = "store.url: write sqlite:///PATH, with a fourth slash for an absolute path"
        raise StoreError(message)
    return Path(path[1:])


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def masked_url(url: str) -> str:
    """Return a URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")).geturl()
