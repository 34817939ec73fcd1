"""Indicators and the state of feeds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phage.records.feedstate import FeedState
from phage.records.indicator import Indicator, IndicatorKind
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.store.database import Database, Row, Value

MAX_PAGE = 100_000
"""Indicators that one question returns at most."""

_COLUMNS = "feed, kind, value, confidence, first_seen, last_seen, expires, tags, description, tlp"
# The first time stays, whatever a feed says later.
_SAVE = (
    f"INSERT INTO indicators ({_COLUMNS}) VALUES ({', '.join('?' * 10)}) "
    "ON CONFLICT (feed, kind, value) DO UPDATE SET confidence = excluded.confidence, "
    "last_seen = excluded.last_seen, expires = excluded.expires, tags = excluded.tags, "
    "description = excluded.description, tlp = excluded.tlp"
)
_STATE = "name, updated, tried, due, entries, failures, fault, body"


class IndicatorRepository:
    """Indicators in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, indicators: Iterable[Indicator]) -> None:
        """Insert indicators, or update those that are there."""
        with self._database.transaction():
            self._database.execute_many(_SAVE, map(_to_row, indicators))

    def replace(self, feed: str, indicators: Sequence[Indicator]) -> None:
        """Make these all that a feed has; what goes on keeps the time it was first seen."""
        known = {
            (row[0], row[1]): row[2]
            for row in self._database.query(
                "SELECT kind, value, first_seen FROM indicators WHERE feed = ?", (storable(feed),)
            )
        }
        with self._database.transaction():
            self._database.execute("DELETE FROM indicators WHERE feed = ?", (storable(feed),))
            self._database.execute_many(
                _SAVE,
                (
                    (*row[:4], known.get((row[1], row[2]), row[4]), *row[5:])
                    for row in map(_to_row, indicators)
                ),
            )

    def expire(self, now: int) -> int:
        """Delete what is no longer valid; return how many."""
        with self._database.transaction():
            return self._database.execute(
                "DELETE FROM indicators WHERE expires > 0 AND expires < ?", (now,)
            )

    def of(self, feed: str) -> Iterator[Indicator]:
        """Yield all indicators of a feed, some at a time."""
        after: tuple[Value, Value] = ("", "")
        while True:
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM indicators WHERE feed = ? AND (kind, value) > (?, ?) "
                f"ORDER BY kind, value LIMIT {MAX_PAGE}",
                (storable(feed), *after),
            )
            yield from map(_from_row, rows)
            if len(rows) < MAX_PAGE:
                return
            after = rows[-1][1], rows[-1][2]

    def search(
        self,
        text: str = "",
        kind: str = "",
        feed: str = "",
        limit: int = 100,
        after: tuple[str, str, str] | None = None,
    ) -> list[Indicator]:
        """Return indicators whose value, tags or description hold a text, by value.

        `after` are value, feed and kind of the last one of the page before.
        """
        conditions: list[str] = []
        parameters: list[Value] = []
        if after is not None:
            conditions.append("(value, feed, kind) > (?, ?, ?)")
            parameters += after
        for column, wanted in (("kind", kind), ("feed", feed)):
            if wanted:
                conditions.append(f"{column} = ?")
                parameters.append(storable(wanted))
        if text:
            like = storable(text).replace("!", "!!").replace("%", "!%").replace("_", "!_")
            places = ("value", "tags", "description")
            either = " OR ".join(f"{place} LIKE ? ESCAPE '!'" for place in places)
            conditions.append(f"({either})")
            parameters += [f"%{like}%"] * len(places)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM indicators{where} ORDER BY value, feed, kind LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        return [_from_row(row) for row in rows]

    def with_value(self, value: str) -> list[Indicator]:
        """Return what all feeds say of a value in canonical form."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM indicators WHERE value = ? ORDER BY feed, kind LIMIT 1000",
            (storable(value),),
        )
        return [_from_row(row) for row in rows]

    def forget(self, feed: str) -> None:
        """Delete all that a feed said, and its state."""
        with self._database.transaction():
            for table, column in (("indicators", "feed"), ("feeds", "name")):
                self._database.execute(f"DELETE FROM {table} WHERE {column} = ?", (storable(feed),))

    def save_state(self, state: FeedState) -> None:
        """Insert or replace the state of a feed."""
        body = {
            "left_out": dict(state.left_out),
            "examples": {name: list(some) for name, some in state.examples.items()},
            "validators": {url: list(each) for url, each in state.validators.items()},
        }
        self._database.execute(
            f"INSERT INTO feeds ({_STATE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET updated = excluded.updated, tried = excluded.tried, "
            "due = excluded.due, entries = excluded.entries, failures = excluded.failures, "
            "fault = excluded.fault, body = excluded.body",
            (
                storable(state.name),
                state.updated,
                state.tried,
                state.due,
                state.entries,
                state.failures,
                storable(state.fault),
                json.dumps(body),
            ),
        )

    def states(self) -> dict[str, FeedState]:
        """Return the state of each feed, by name."""
        rows = self._database.query(f"SELECT {_STATE} FROM feeds ORDER BY name LIMIT 10000")
        return {state.name: state for state in map(_state, rows)}


def _to_row(indicator: Indicator) -> Row:
    return (
        storable(indicator.feed),
        str(indicator.kind),
        storable(indicator.value),
        indicator.confidence,
        storable_integer(indicator.first_seen),
        storable_integer(indicator.last_seen),
        storable_integer(indicator.expires),
        json.dumps(list(indicator.tags)),
        storable(indicator.description),
        storable(indicator.tlp),
    )


def _from_row(row: Row) -> Indicator:
    values: tuple[Any, ...] = row
    return Indicator(
        feed=values[0],
        kind=IndicatorKind(values[1]),
        value=values[2],
        confidence=values[3],
        first_seen=values[4],
        last_seen=values[5],
        expires=values[6],
        tags=tuple(json.loads(values[7])),
        description=values[8],
        tlp=values[9],
    )


def _state(row: Row) -> FeedState:
    values: tuple[Any, ...] = row
    return FeedState(*values[:7], **json.loads(values[7]))
