"""Opens the database that a URL names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.errors import StoreError
from phage.store.database import sqlite_path

if TYPE_CHECKING:
    from phage.store.database import Database


def open_database(url: str, password: str = "", *, writable: bool = True) -> Database:
    """Open the database that a URL names: sqlite:///PATH or postgresql://USER@HOST/DATABASE.

    Raises:
        StoreError: It cannot be opened; says why and what to do.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from phage.store.databases.sqlite import SqliteDatabase  # noqa: PLC0415  What is used.

        return SqliteDatabase(sqlite_path(url), writable=writable)
    if scheme in {"postgresql", "postgres"}:
        try:
            from phage.store.databases.postgresql import PostgresqlDatabase  # noqa: PLC0415
        except ImportError as error:
            message = "PostgreSQL needs the package psycopg: pip install 'phage[postgres]'"
            raise StoreError(message) from error
        return PostgresqlDatabase(url, password, writable=writable)
    message = (
        f"store.url: {scheme!r} is no engine; use sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    )
    raise StoreError(message)
