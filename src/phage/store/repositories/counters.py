"""Counters: totals of each minute, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.database import Database

MINUTE = 60_000_000_000
"""Nanoseconds."""

MAX_PAGE = 100_000
"""Rows that one question returns at most."""


@frozen
class MinuteCounter:
    """What was counted under a name in one minute; `minute` is the time at which it begins."""

    minute: int
    name: str
    value: float


def minute_of(nanoseconds: int) -> int:
    """Return the beginning of the minute that a time lies in."""
    return nanoseconds - nanoseconds % MINUTE


class CounterRepository:
    """Counters in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, counters: Iterable[MinuteCounter]) -> None:
        """Add to the counters of their minutes."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO counters (minute, name, value) VALUES (?, ?, ?) "
                "ON CONFLICT (minute, name) DO UPDATE SET value = counters.value + excluded.value",
                [(minute_of(each.minute), storable(each.name), each.value) for each in counters],
            )

    def list(self, name: str, since: int, until: int) -> list[MinuteCounter]:
        """Return the minutes of a counter from one time to before another, in order."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT minute, name, value FROM counters "
                "WHERE name = ? AND minute >= ? AND minute < ? "
                f"ORDER BY minute LIMIT {MAX_PAGE}",
                (storable(name), since, until),
            )
        )
        return [MinuteCounter(*row) for row in rows]

    def sums(self, name: str, since: int, until: int, step: int) -> dict[int, float]:
        """Return what was counted in each step of a time, by where the step begins.

        Times and step are in nanoseconds; steps lie on multiples of themselves. Empty steps are
        left out.
        """
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT minute / {step:d} * {step:d}, sum(value) FROM counters "
                "WHERE name = ? AND minute >= ? AND minute < ? "
                f"GROUP BY 1 ORDER BY 1 LIMIT {MAX_PAGE}",
                (storable(name), since, until),
            )
        )
        return {int(begin): float(value) for begin, value in rows}
