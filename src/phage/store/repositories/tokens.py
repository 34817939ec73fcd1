"""Tokens of programs: by the SHA-256 of their secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database

MAX_PAGE = 10_000
"""Tokens that one question returns at most."""

_COLUMNS = "id, name, username, digest, scopes, created, expires, last_used, last_address, revoked"


@frozen
class Token:
    """What a program shows instead of logging in. Times are nanoseconds, 0 for never.

    Attributes:
        id: Names it; no secret.
        name: What it is for, in its owner's words.
        username: Whose it is: it may never do more than he may.
        digest: SHA-256 of the secret, in hex.
        scopes: What it may do.
        created: When it was made.
        expires: When it ends.
        last_used: When it was last shown.
        last_address: From where.
        revoked: When it was revoked.
    """

    id: str
    name: str
    username: str
    digest: str
    scopes: tuple[str, ...]
    created: int = 0
    expires: int = 0
    last_used: int = 0
    last_address: str = ""
    revoked: int = 0


class TokenRepository:
    """Tokens in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token) -> None:
        """Insert a token."""
        self._database.execute(
            f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.id,
                storable(token.name),
                storable(token.username),
                token.digest,
                json.dumps(list(token.scopes)),
                token.created,
                token.expires,
                token.last_used,
                storable(token.last_address),
                token.revoked,
            ),
        )

    def get(self, id: str) -> Token | None:  # noqa: A002  The field's name.
        """Return a token by id; None where there is none."""
        rows = self._list("WHERE id = ?", storable(id))
        return rows[0] if rows else None

    def with_digest(self, digest: str) -> Token | None:
        """Return a token by the digest of its secret; None where there is none."""
        rows = self._list("WHERE digest = ?", digest)
        return rows[0] if rows else None

    def list(self, username: str = "") -> Sequence[Token]:
        """Return tokens, the newest first; of one user, or of all."""
        if username:
            return self._list("WHERE username = ?", storable(username))
        return self._list("WHERE ? = ''", "")

    def _list(self, where: str, value: str) -> Sequence[Token]:
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_COLUMNS} FROM tokens {where} ORDER BY created DESC, id LIMIT {MAX_PAGE}",
                (value,),
            )
        )
        return [Token(*(*row[:4], tuple(json.loads(row[4])), *row[5:])) for row in rows]

    def touch(self, id: str, now: int, address: str) -> None:  # noqa: A002  The field's name.
        """Note that a token is used."""
        self._database.execute(
            "UPDATE tokens SET last_used = ?, last_address = ? WHERE id = ?",
            (now, storable(address), id),
        )

    def revoke(self, id: str, now: int) -> bool:  # noqa: A002  The field's name.
        """End a token; tell whether there was one that stood."""
        return bool(
            self._database.execute(
                "UPDATE tokens SET revoked = ? WHERE id = ? AND revoked = 0", (now, storable(id))
            )
        )

    def forget(self, before: int) -> None:
        """Delete what was revoked or has expired before a time."""
        self._database.execute(
            "DELETE FROM tokens WHERE (revoked > 0 AND revoked < ?) OR "
            "(expires > 0 AND expires < ?)",
            (before, before),
        )
