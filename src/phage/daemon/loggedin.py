"""Who is logged in to the dashboard, so that nobody cuts himself off from it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.access.roles import Role
from phage.errors import StoreError
from phage.policy.allowlist import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.clock import Clock
    from phage.store.repositories.sessions import SessionRepository

RECENT_NS = 3600 * 1_000_000_000
"""Who asked for nothing for so long is no longer there, though he may be logged in yet."""

ROLES = tuple(role for role in Role if role.rank >= Role.OPERATOR.rank)
"""Those who could undo a block."""


@dataclass
class LoggedIn:
    """Finds the addresses from which the dashboard is used by those who may change something.

    Behind a proxy that is the proxy's address. While the store cannot be read, those who were there
    stay.
    """

    sessions: SessionRepository
    clock: Clock
    _seen: Sequence[Entry] = field(default=(), init=False, repr=False)

    def entries(self) -> Sequence[Entry]:
        """Return what is protected now."""
        try:
            texts = self.sessions.addresses(self.clock.now() - RECENT_NS, ROLES)
        except StoreError:
            return self._seen
        addresses = sorted({each for text in texts for each in _canonical(text)})
        self._seen = [Entry(each, "who is logged in to the dashboard") for each in addresses]
        return self._seen


def _canonical(text: str) -> Iterator[str]:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    yield str(mapped or address)
