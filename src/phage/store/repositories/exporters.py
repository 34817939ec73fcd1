"""Exporters of flows: who they are, when they were heard, what was counted of them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from phage.records.exporter import COUNTS, Exporter
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.database import Database

MAX_KEPT = 10_000
"""Exporters that are kept, those heard last: their addresses can be forged, so there may be any
number."""

_NAMES = tuple(field.name for field in fields(Exporter))
_LATEST = ("name", "sampling", "drift")


class ExporterRepository:
    """Exporters in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, exporters: Iterable[Exporter]) -> None:
        """Add to what is stored: counts are added, times joined, the latest of the rest is kept."""
        added = ", ".join(f"{name} = exporters.{name} + excluded.{name}" for name in COUNTS)
        latest = ", ".join(
            f"{name} = CASE WHEN excluded.last_seen >= exporters.last_seen "
            f"THEN excluded.{name} ELSE exporters.{name} END"
            for name in _LATEST
        )
        with self._database.transaction():
            self._database.execute_many(
                f"INSERT INTO exporters ({', '.join(_NAMES)}) "
                f"VALUES ({', '.join('?' * len(_NAMES))}) "
                "ON CONFLICT (address, domain, version) DO UPDATE SET "
                "first_seen = CASE WHEN excluded.first_seen < exporters.first_seen "
                "THEN excluded.first_seen ELSE exporters.first_seen END, "
                f"{latest}, "
                "last_seen = CASE WHEN excluded.last_seen > exporters.last_seen "
                f"THEN excluded.last_seen ELSE exporters.last_seen END, {added}",
                [_values(exporter) for exporter in exporters],
            )
            self._database.execute(
                "DELETE FROM exporters WHERE last_seen < (SELECT last_seen FROM exporters "
                f"ORDER BY last_seen DESC LIMIT 1 OFFSET {MAX_KEPT})"
            )

    def list(self, limit: int = 1000) -> list[Exporter]:
        """Return exporters, those heard last first."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {', '.join(_NAMES)} FROM exporters "
                "ORDER BY last_seen DESC, address, domain, version LIMIT ?",
                (max(0, min(limit, MAX_KEPT)),),
            )
        )
        return [Exporter(*row) for row in rows]


def _values(exporter: Exporter) -> tuple[str | int, ...]:
    values = (getattr(exporter, name) for name in _NAMES)
    return tuple(
        storable(value) if isinstance(value, str) else storable_integer(value) for value in values
    )
