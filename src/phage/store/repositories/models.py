"""Saved states of the model: what lies in the folder of models, and what it was made of."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.store.database import Database


@frozen
class ModelSaved:
    """One saved state: its file name, when it was saved, after how many packets, in which phase."""

    name: str
    saved: int
    packets: int
    phase: str
    checksum: str
    octets: int
    note: str = ""


class ModelRepository:
    """Saved states in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, model: ModelSaved) -> None:
        """Insert or replace one."""
        self._database.execute(
            "INSERT INTO models (name, saved, packets, phase, checksum, octets, note) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET saved = excluded.saved, "
            "packets = excluded.packets, phase = excluded.phase, checksum = excluded.checksum, "
            "octets = excluded.octets, note = excluded.note",
            astuple(model),
        )

    def remove(self, name: str) -> None:
        """Forget one, when its file is gone."""
        self._database.execute("DELETE FROM models WHERE name = ?", (name,))

    def list(self, limit: int = 100) -> list[ModelSaved]:
        """Return saved states, the newest first."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT name, saved, packets, phase, checksum, octets, note FROM models "
                "ORDER BY saved DESC, name DESC LIMIT ?",
                (limit,),
            )
        )
        return [ModelSaved(*row) for row in rows]
