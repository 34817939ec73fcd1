"""Copies of whole stores between engines, row by row."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from phage.store.schema import TABLES

if TYPE_CHECKING:
    from phage.store.database import Database

CHUNK = 1000
"""Rows handed over at a time."""


def copy_rows(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows of all tables, as of one moment, into empty tables of the same schema.

    The caller holds a transaction of the target. Returns the rows copied by table.
    """
    copied: dict[str, int] = {}
    with source.snapshot():
        for table in TABLES:
            columns = _columns(source, table)
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            rows = iter(source.stream(f"SELECT {names} FROM {table}"))
            copied[table] = 0
            while chunk := list(islice(rows, CHUNK)):
                target.execute_many(f"INSERT INTO {table} ({names}) VALUES ({marks})", chunk)
                copied[table] += len(chunk)
    return copied


def empty(database: Database) -> None:
    """Delete all rows; the caller holds a transaction."""
    for table in reversed(TABLES):
        database.execute(f"DELETE FROM {table}")


def _columns(database: Database, table: str) -> list[str]:
    if database.dialect == "sqlite":
        return [str(row[1]) for row in database.query(f"PRAGMA table_info({table})")]
    rows = database.query(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_name = ? AND table_schema = ANY (current_schemas(false)) "
        "ORDER BY ordinal_position",
        (table,),
    )
    return [str(row[0]) for row in rows]
