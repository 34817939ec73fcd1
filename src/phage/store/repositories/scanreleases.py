"""Releases of definitions, with how far each has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.scanrelease import DefinitionRelease, ReleaseState
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from phage.store.database import Database, Row

KEPT = 50
"""Releases of one engine that are remembered."""

_COLUMNS = "id, engine, sha256, name, size, state, canary, author, made, tried, changed, fault"


class ScanReleaseRepository:
    """Releases in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, release: DefinitionRelease) -> None:
        """Add a release; one that is still tried by a canary is withdrawn for it."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE scan_releases SET state = 'withdrawn', changed = ? "
                "WHERE engine = ? AND state = 'canary'",
                (release.made, storable(release.engine)),
            )
            self._database.execute(
                f"INSERT INTO scan_releases ({_COLUMNS}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    release.id,
                    storable(release.engine),
                    release.sha256,
                    storable(release.name),
                    release.size,
                    str(release.state),
                    storable(release.canary),
                    storable(release.author),
                    release.made,
                    release.tried,
                    release.changed,
                    storable(release.fault),
                ),
            )
            self._database.execute(
                "DELETE FROM scan_releases WHERE engine = ? AND id NOT IN (SELECT id FROM "
                "scan_releases WHERE engine = ? ORDER BY made DESC, id DESC LIMIT ?)",
                (storable(release.engine), storable(release.engine), KEPT),
            )

    def list(self, engine: str = "", limit: int = 1000) -> list[DefinitionRelease]:
        """Return releases, the latest first; of one engine, or of all."""
        where, parameters = (" WHERE engine = ?", (storable(engine),)) if engine else ("", ())
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_releases{where} ORDER BY made DESC, id DESC LIMIT ?",
            (*parameters, limit),
        )
        return [_release(row) for row in rows]

    def get(self, id: str) -> DefinitionRelease | None:  # noqa: A002  The field's name.
        """Return a release."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scan_releases WHERE id = ?", (storable(id),)
        )
        return _release(rows[0]) if rows else None

    def tried(self, id: str, now: int) -> None:  # noqa: A002  The field's name.
        """Note that the canary has a release in force."""
        self._database.execute(
            "UPDATE scan_releases SET tried = ? WHERE id = ? AND tried = 0", (now, storable(id))
        )

    def move(
        self,
        id: str,  # noqa: A002  The field's name.
        before: ReleaseState,
        after: ReleaseState,
        now: int,
        fault: str = "",
    ) -> bool:
        """Change how far a release has come; False when it is not where it was thought to be."""
        return bool(
            self._database.execute(
                "UPDATE scan_releases SET state = ?, changed = ?, fault = ? "
                "WHERE id = ? AND state = ?",
                (str(after), now, storable(fault[:1000]), storable(id), str(before)),
            )
        )


def _release(row: Row) -> DefinitionRelease:
    values: list[Any] = list(row)
    values[5] = ReleaseState(values[5])
    return DefinitionRelease(*values)
