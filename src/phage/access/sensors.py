"""Sensors among tokens: an invitation may join once, and a sensor may send what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.access.roles import JOIN, SENSE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.repositories.tokens import Token

INVITED_SECONDS = 3600.0
"""How long an invitation is good, once."""

STANDING = frozenset({"invited", "joined"})

SEPARATOR = "~"
"""Between a token and the fingerprint (SHA-256) of the controller's certificate."""


def sensors(tokens: Iterable[Token]) -> list[Token]:
    """Return the tokens of sensors and invitations, one a name: the one that stands, or the last.

    `tokens` are the newest first.
    """
    found: dict[str, Token] = {}
    for token in tokens:
        if token.scopes in ((JOIN,), (SENSE,)):
            known = found.get(token.name)
            if known is None or (known.revoked and not token.revoked):
                found[token.name] = token
    return list(found.values())


def state_of(token: Token, now: int) -> str:
    """Return "invited", "joined", "expired" (an invitation that nobody used) or "revoked"."""
    if token.revoked:
        return "revoked"
    if token.scopes == (SENSE,):
        return "joined"
    return "expired" if token.expires and token.expires <= now else "invited"


def invitation_text(token: str, fingerprint: str) -> str:
    """Return what a person hands over: a token, and how the controller's certificate is known."""
    return f"{token}{SEPARATOR}{fingerprint}" if fingerprint else token
