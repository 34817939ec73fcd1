"""Sessions of logged-in users: by the SHA-256 of their secrets, which only browsers hold."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database

MAX_PAGE = 1000
"""Sessions that one question returns at most."""

_COLUMNS = "digest, username, created, last_used, address, agent"


@frozen
class Session:
    """One login. Times are nanoseconds since the Unix epoch."""

    digest: str
    username: str
    created: int
    last_used: int
    address: str = ""
    agent: str = ""


class SessionRepository:
    """Sessions in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: Session, most: int) -> None:
        """Insert a session; of one user it and the others used last are kept, `most` in all."""
        with self._database.transaction():
            self._database.execute(
                f"INSERT INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
                tuple(
                    storable(value) if isinstance(value, str) else value
                    for value in astuple(session)
                ),
            )
            self._database.execute(
                "DELETE FROM sessions WHERE username = ? AND digest NOT IN (SELECT digest FROM "
                "sessions WHERE username = ? ORDER BY CASE WHEN digest = ? THEN 0 ELSE 1 END, "
                "last_used DESC, digest LIMIT ?)",
                (storable(session.username), storable(session.username), session.digest, most),
            )

    def get(self, digest: str) -> Session | None:
        """Return a session; None where there is none."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(f"SELECT {_COLUMNS} FROM sessions WHERE digest = ?", (digest,))
        )
        return Session(*rows[0]) if rows else None

    def list(self, username: str) -> list[Session]:
        """Return a user's sessions, those used last first."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_COLUMNS} FROM sessions WHERE username = ? "
                f"ORDER BY last_used DESC, digest LIMIT {MAX_PAGE}",
                (storable(username),),
            )
        )
        return [Session(*row) for row in rows]

    def addresses(self, used_since: int, roles: Sequence[str]) -> Sequence[str]:
        """Return from where users of some roles used a session since a time."""
        marks = ", ".join("?" * len(roles))
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT DISTINCT sessions.address FROM sessions JOIN users "
                "ON users.name = sessions.username "
                f"WHERE sessions.last_used >= ? AND users.role IN ({marks}) "
                f"ORDER BY sessions.address LIMIT {MAX_PAGE}",
                (used_since, *roles),
            )
        )
        return [str(address) for (address,) in rows]

    def touch(self, digest: str, now: int) -> None:
        """Note that a session is used."""
        self._database.execute("UPDATE sessions SET last_used = ? WHERE digest = ?", (now, digest))

    def remove(self, digest: str) -> None:
        """Delete a session."""
        self._database.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

    def remove_of(self, username: str, but: str = "") -> None:
        """Delete a user's sessions, but for one."""
        self._database.execute(
            "DELETE FROM sessions WHERE username = ? AND digest <> ?", (storable(username), but)
        )

    def expire(self, used_before: int, created_before: int) -> None:
        """Delete what was not used for long, or is too old."""
        self._database.execute(
            "DELETE FROM sessions WHERE last_used < ? OR created < ?",
            (used_before, created_before),
        )
