"""The audit log: who changed what, each entry chained to the one before."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.store.database import Database

MAX_PAGE = 10_000
"""Entries that one question returns at most."""

_COLUMNS = "number, happened, actor, act, subject, detail, previous, hash"


@frozen
class ChainedEntry:
    """One change. `hash` covers all other fields, `previous` is the hash of the entry before.

    `happened` is in nanoseconds since the Unix epoch.
    """

    number: int
    happened: int
    actor: str
    act: str
    subject: str
    detail: str
    previous: str
    hash: str


class AuditRepository:
    """The audit log in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: ChainedEntry) -> bool:
        """Insert an entry; tell whether its number was free."""
        values = astuple(entry)
        return bool(
            self._database.execute(
                f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (number) DO NOTHING",
                values,
            )
        )

    def last(self) -> ChainedEntry | None:
        """Return the newest entry; None where there is none."""
        found = self._list("", (), 1)
        return found[0] if found else None

    def list(
        self, actor: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[ChainedEntry]:
        """Return entries, the newest first; of one actor, and before a number."""
        conditions: list[str] = []
        values: list[str | int] = []
        if actor:
            conditions.append("actor = ?")
            values.append(storable(actor))
        if before is not None:
            conditions.append("number < ?")
            values.append(before)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._list(where, tuple(values), limit)

    def _list(
        self, where: str, values: tuple[str | int, ...], limit: int
    ) -> Sequence[ChainedEntry]:
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_COLUMNS} FROM audit {where} ORDER BY number DESC LIMIT ?",
                (*values, max(0, min(limit, MAX_PAGE))),
            )
        )
        return [ChainedEntry(*row) for row in rows]

    def all(self) -> Iterator[ChainedEntry]:
        """Yield every entry in order, some at a time."""
        after = -1
        while True:
            rows: list[tuple[Any, ...]] = list(
                self._database.query(
                    f"SELECT {_COLUMNS} FROM audit WHERE number > ? ORDER BY number LIMIT 1000",
                    (after,),
                )
            )
            yield from (ChainedEntry(*row) for row in rows)
            if len(rows) < 1000:
                return
            after = rows[-1][0]

    def forget(self, up_to: int) -> int:
        """Delete entries up to a number; return how many."""
        return self._database.execute("DELETE FROM audit WHERE number <= ?", (up_to,))
