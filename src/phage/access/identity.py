"""Who asks: a user by his session, or a program by its token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.access.roles import Role


@frozen
class Identity:
    """Who asks, and what he may.

    Attributes:
        user: Name of the user, or of the token's owner.
        role: His role.
        permissions: What may be done: what the role may, and no more than the token's scopes say.
        session: Digest of the session; '' for a token.
        token: Id of the token; '' for a session.
    """

    user: str
    role: Role
    permissions: frozenset[str]
    session: str = ""
    token: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether something may be done."""
        return permission in self.permissions

    @property
    def name(self) -> str:
        """Return "user:NAME", as decisions and the audit log name who did something."""
        return f"user:{self.user}"

    @property
    def detailed(self) -> str:
        """Return the name, with the token by which it was done."""
        return f"{self.name} (token {self.token})" if self.token else self.name
