"""The permission table: which role may do what to which noun.

A permission is NOUN:VERB, where reading is `read` and changing is `write`. Each has one least role;
what is not in the table nobody may do. A new noun of the API is one line here.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Role(enum.StrEnum):
    """What a user is; each may all that those before may."""

    VIEWER = "viewer"
    """Sees what phage sees."""
    OPERATOR = "operator"
    """Blocks, unblocks, labels, changes rules."""
    ADMIN = "admin"
    """Changes settings, users and tokens."""

    @property
    def rank(self) -> int:
        """Return how much a role may: 0 least."""
        return list(Role).index(self)


_SEEN = Role.VIEWER, Role.OPERATOR
_KEPT = Role.ADMIN, Role.ADMIN

_NOUNS: dict[str, tuple[Role, Role]] = {
    "status": _SEEN,
    "devices": _SEEN,
    "networks": _SEEN,
    "exporters": _SEEN,
    "scans": _SEEN,
    "flows": _SEEN,
    "findings": _SEEN,
    "captures": (Role.OPERATOR, Role.OPERATOR),  # Packets hold what people say to each other.
    "decisions": _SEEN,
    "rules": _SEEN,
    "feeds": _SEEN,
    "indicators": _SEEN,
    "shared": _SEEN,
    "samples": _SEEN,
    "originals": (Role.ADMIN, Role.ADMIN),  # Samples themselves: some are malware.
    "engines": _SEEN,
    "sensors": (Role.VIEWER, Role.ADMIN),
    "joining": _KEPT,
    "sensing": _KEPT,
    "workers": (Role.VIEWER, Role.ADMIN),
    "work": _KEPT,  # What workers do: their answers are believed.
    "events": _SEEN,
    "metrics": _SEEN,
    "bouncer": _SEEN,
    "account": (Role.VIEWER, Role.VIEWER),  # One's own password, sessions and tokens.
    "config": _KEPT,
    "users": _KEPT,
    "tokens": _KEPT,
    "audit": _KEPT,
}

PERMISSIONS: dict[str, Role] = {
    f"{noun}:{verb}": role
    for noun, roles in _NOUNS.items()
    for verb, role in zip(("read", "write"), roles, strict=True)
}
"""The least role of each permission."""

BOUNCER = "bouncer:read"
"""What a remediation component needs: to pull decisions and tell its usage."""


JOIN = "joining:write"
"""What an invitation of a sensor may: become a sensor, once."""

SENSE = "sensing:write"
"""What a sensor may: send what it counts."""


def allowed(role: Role) -> frozenset[str]:
    """Return all that a role may."""
    return frozenset(name for name, least in PERMISSIONS.items() if role.rank >= least.rank)


def expanded(scopes: Iterable[str]) -> frozenset[str]:
    """Return the permissions that scopes name: NOUN:VERB, NOUN:*, *:VERB or *.

    Raises ValueError for one that names nothing.
    """
    found: set[str] = set()
    for scope in scopes:
        noun, _, verb = ("*:*" if scope == "*" else scope).partition(":")
        named = {
            name
            for name in PERMISSIONS
            if noun in {"*", name.partition(":")[0]} and verb in {"*", name.partition(":")[2]}
        }
        if not named:
            message = f"there is no scope {scope!r}; write NOUN:read, NOUN:write, *:read or *"
            raise ValueError(message)
        found |= named
    return frozenset(found)
