"""Sightings: names and fingerprints that devices had to do with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.indicator import IndicatorKind
from phage.records.sighting import Sighting
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.store.database import Database, Row, Value

PAGE = 10_000
"""Rows that are read at a time."""

_COLUMNS = "kind, value, device, ip, first_seen, last_seen, times"
_SAVE = (
    f"INSERT INTO sightings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (kind, value, device) DO UPDATE SET "
    "ip = CASE WHEN excluded.last_seen >= sightings.last_seen "
    "THEN excluded.ip ELSE sightings.ip END, "
    "first_seen = CASE WHEN excluded.first_seen < sightings.first_seen "
    "THEN excluded.first_seen ELSE sightings.first_seen END, "
    "last_seen = CASE WHEN excluded.last_seen > sightings.last_seen "
    "THEN excluded.last_seen ELSE sightings.last_seen END, "
    "times = sightings.times + excluded.times"
)


class SightingRepository:
    """Sightings in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, sightings: Iterable[Sighting]) -> None:
        """Add sightings: spans are joined, counts added, the latest address is kept."""
        with self._database.transaction():
            self._database.execute_many(_SAVE, [_to_row(each) for each in sightings])

    def since(self, time: int) -> Iterator[Sighting]:
        """Yield what was seen since a time, by kind, value and device; some rows at a time."""
        after: tuple[Value, ...] = ("", "", "")
        while True:
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM sightings WHERE (kind, value, device) > (?, ?, ?) "
                f"AND last_seen >= ? ORDER BY kind, value, device LIMIT {PAGE}",
                (*after, time),
            )
            yield from map(_from_row, rows)
            if len(rows) < PAGE:
                return
            after = tuple(rows[-1][:3])

    def of(self, device: str, limit: int = 100) -> list[Sighting]:
        """Return what a device had to do with, the latest first."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM sightings WHERE device = ? "
            "ORDER BY last_seen DESC, kind, value LIMIT ?",
            (storable(device), max(0, min(limit, PAGE))),
        )
        return list(map(_from_row, rows))


def _to_row(each: Sighting) -> Row:
    return (
        str(each.kind),
        storable(each.value),
        storable(each.device),
        storable(each.ip),
        storable_integer(each.first_seen),
        storable_integer(each.last_seen),
        storable_integer(each.times),
    )


def _from_row(row: Row) -> Sighting:
    values: tuple[Any, ...] = row
    return Sighting(IndicatorKind(values[0]), *values[1:])
