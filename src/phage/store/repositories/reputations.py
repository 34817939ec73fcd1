"""What AbuseIPDB said of addresses, so that it is not asked again."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from phage.records.reputation import Reputation
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from phage.store.database import Database

MOST = 50_000
"""Addresses that are remembered, the latest."""

_REST = ""
_NAMES = frozenset(each.name for each in fields(Reputation))


class ReputationRepository:
    """Reputations in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, address: str, since: int) -> Reputation | None:
        """Return what was said of an address since a time; None for nothing."""
        rows = self._database.query(
            "SELECT body FROM reputations WHERE address = ? AND asked >= ? AND address != ''",
            (storable(address), since),
        )
        if not rows:
            return None
        body = json.loads(str(rows[0][0]))
        return Reputation(**{name: value for name, value in body.items() if name in _NAMES})

    def save(self, reputation: Reputation) -> None:
        """Remember what was said of an address."""
        body = {
            name: storable(value) if isinstance(value, str) else value
            for name, value in asdict(reputation).items()
        }
        self._put(reputation.address, reputation.asked, json.dumps(body))
        self._database.execute(
            "DELETE FROM reputations WHERE address != '' AND asked < "
            "(SELECT asked FROM reputations WHERE address != '' "
            "ORDER BY asked DESC LIMIT 1 OFFSET ?)",
            (MOST,),
        )

    def asked_since(self, since: int) -> int:
        """Return how many addresses were asked about since a time."""
        rows = self._database.query(
            "SELECT count(*) FROM reputations WHERE asked >= ? AND address != ''", (since,)
        )
        return int(str(rows[0][0]))

    def rest(self, until: int) -> None:
        """Remember until when nobody may ask."""
        self._put(_REST, until, "{}")

    def rests_until(self) -> int:
        """Return until when nobody may ask; 0 for no rest."""
        rows = self._database.query("SELECT asked FROM reputations WHERE address = ''", ())
        return int(str(rows[0][0])) if rows else 0

    def _put(self, address: str, asked: int, body: str) -> None:
        self._database.execute(
            "INSERT INTO reputations (address, asked, body) VALUES (?, ?, ?) "
            "ON CONFLICT (address) DO UPDATE SET asked = excluded.asked, body = excluded.body",
            (storable(address), asked, body),
        )
