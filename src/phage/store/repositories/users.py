"""Users, and the one-time links by which they first come in."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from phage.store.database import Database

MAX_USERS = 10_000
"""Users that one question returns at most."""

_COLUMNS = "name, role, password, totp, totp_step, created, changed, last_login"
_LINK = "digest, username, role, created, expires"


@frozen
class User:
    """One who may log in. Times are nanoseconds since the Unix epoch, 0 for never.

    Attributes:
        name: By which he logs in.
        role: Name of the role.
        password: Hash of the password (argon2id, PHC string); '' for none yet.
        totp: Secret of the second factor in base32; '' for none.
        totp_step: The last time step whose code was used: none is used twice.
        created: When he was added.
        changed: When role, password or second factor last changed.
        last_login: When he last logged in.
    """

    name: str
    role: str
    password: str = ""
    totp: str = ""
    totp_step: int = 0
    created: int = 0
    changed: int = 0
    last_login: int = 0


@frozen
class LoginLink:
    """A link that lets its holder set a password once: by the SHA-256 of its secret."""

    digest: str
    username: str
    role: str
    created: int
    expires: int


class UserRepository:
    """Users and their links in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, user: User) -> bool:
        """Insert a user; tell whether the name was free."""
        return bool(
            self._database.execute(
                f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO NOTHING",
                (storable(user.name), *astuple(user)[1:]),
            )
        )

    def save(self, user: User) -> None:
        """Update a user that is there."""
        self._database.execute(
            "UPDATE users SET role = ?, password = ?, totp = ?, totp_step = ?, created = ?, "
            "changed = ?, last_login = ? WHERE name = ?",
            (*astuple(user)[1:], storable(user.name)),
        )

    def use_totp_step(self, name: str, step: int) -> bool:
        """Take a time step for a user's login; tell whether it is later than any used before."""
        return bool(
            self._database.execute(
                "UPDATE users SET totp_step = ? WHERE name = ? AND totp_step < ?",
                (step, storable(name), step),
            )
        )

    def get(self, name: str) -> User | None:
        """Return a user by name; None where there is none."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(f"SELECT {_COLUMNS} FROM users WHERE name = ?", (storable(name),))
        )
        return User(*rows[0]) if rows else None

    def list(self) -> list[User]:
        """Return all users, by name."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(f"SELECT {_COLUMNS} FROM users ORDER BY name LIMIT {MAX_USERS}")
        )
        return [User(*row) for row in rows]

    def count(self) -> int:
        """Return how many users there are."""
        return int(self._database.query("SELECT count(*) FROM users")[0][0] or 0)

    def remove(self, name: str) -> bool:
        """Delete a user with sessions and tokens; tell whether there was one."""
        return bool(self._database.execute("DELETE FROM users WHERE name = ?", (storable(name),)))

    def put_link(self, link: LoginLink) -> None:
        """Keep a link in place of an earlier one for the same user."""
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM login_links WHERE username = ? OR expires <= ?",
                (storable(link.username), link.created),
            )
            self._database.execute(
                f"INSERT INTO login_links ({_LINK}) VALUES (?, ?, ?, ?, ?)",
                (link.digest, storable(link.username), link.role, link.created, link.expires),
            )

    def link(self, digest: str, now: int) -> LoginLink | None:
        """Return the link with a digest; None where there is none that is valid still."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_LINK} FROM login_links WHERE digest = ? AND expires > ?", (digest, now)
            )
        )
        return LoginLink(*rows[0]) if rows else None

    def take_link(self, digest: str) -> bool:
        """Delete a link; tell whether it was there: only one can take it."""
        return bool(self._database.execute("DELETE FROM login_links WHERE digest = ?", (digest,)))
