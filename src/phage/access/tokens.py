"""Tokens: how programs show who they are. The secret is shown once, and kept as a digest."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from phage.access.credentials import LONGEST, digest_of, new_secret
from phage.access.errors import AccessError, UnknownNameError
from phage.access.identity import Identity
from phage.access.roles import Role, allowed, expanded
from phage.store.repositories.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.store.repositories.tokens import TokenRepository
    from phage.store.repositories.users import UserRepository

PREFIX = "phage_"
"""How secrets begin, so that whoever finds one in a repository knows what it is."""

MAX_OF_USER = 1000
"""Tokens of one user, revoked ones included."""

TOUCH_NS = 60_000_000_000
"""That a token is used is written down once in this time."""

KEPT_NS = 90 * 86_400 * 10**9
"""Revoked and expired tokens are shown this long."""


class Tokens:
    """Creates, finds and revokes tokens."""

    def __init__(self, repository: TokenRepository, users: UserRepository, clock: Clock) -> None:
        self._repository = repository
        self._users = users
        self._clock = clock

    def create(
        self, user: str, name: str, scopes: Sequence[str], seconds: float = 0.0
    ) -> tuple[Token, str]:
        """Create a token for a user; return it and its secret, which is not kept.

        Args:
            user: Whose it is.
            name: What it is for.
            scopes: What it may do: NOUN:read, NOUN:write, *:read, *.
            seconds: How long it lasts; 0 for ever.

        Raises UnknownNameError, AccessError.
        """
        owner = self._users.get(user)
        if owner is None:
            message = f"there is no user {user!r}; `phage users list` names them"
            raise UnknownNameError(message)
        try:
            beyond = expanded(scopes) - allowed(Role(owner.role))
        except ValueError as error:
            raise AccessError(str(error)) from error
        exact = {scope for scope in scopes if "*" not in scope}
        if too_much := sorted(exact & beyond):
            message = f"{user} is {owner.role} and may not {too_much[0]} himself"
            raise AccessError(message)
        if not scopes or not name.strip():
            message = "a token needs a name and at least one scope"
            raise AccessError(message)
        now = self._clock.now()
        self._repository.forget(now - KEPT_NS)
        if len(self._repository.list(user)) >= MAX_OF_USER:
            message = f"{user} has {MAX_OF_USER} tokens; revoke some"
            raise AccessError(message)
        secret = PREFIX + new_secret()
        token = Token(
            id=secrets.token_hex(6),
            name=name.strip()[:200],
            username=user,
            digest=digest_of(secret),
            scopes=tuple(dict.fromkeys(scopes)),
            created=now,
            expires=now + int(seconds * 1e9) if seconds else 0,
        )
        self._repository.add(token)
        return token, secret

    def identify(self, secret: str, address: str) -> Identity | None:
        """Return whose token a secret is; None where it is nobody's, revoked or expired."""
        if not secret.startswith(PREFIX) or len(secret) > LONGEST:
            return None
        token = self._repository.with_digest(digest_of(secret))
        now = self._clock.now()
        if token is None or token.revoked or (token.expires and token.expires <= now):
            return None
        owner = self._users.get(token.username)
        if owner is None:
            return None
        if now - token.last_used > TOUCH_NS:
            self._repository.touch(token.id, now, address[:64])
        role = Role(owner.role)
        return Identity(owner.name, role, allowed(role) & expanded(token.scopes), token=token.id)

    def get(self, id: str) -> Token:  # noqa: A002  The field's name.
        """Return a token. Raises UnknownNameError."""
        token = self._repository.get(id)
        if token is None:
            message = f"there is no token {id!r}; `phage tokens list` names them"
            raise UnknownNameError(message)
        return token

    def list(self, user: str = "") -> Sequence[Token]:
        """Return tokens, the newest first; of one user, or of all."""
        return self._repository.list(user)

    def revoke(self, id: str) -> Token:  # noqa: A002  The field's name.
        """End a token at once. Raises UnknownNameError."""
        token = self.get(id)
        self._repository.revoke(id, self._clock.now())
        return token
