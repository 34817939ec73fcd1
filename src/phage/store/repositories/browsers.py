"""Browsers that are told by Web Push: a few of each user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.browser import Browser
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database

MAX_OF_USER = 10
"""Browsers of one user; the one that came first goes."""

MAX_PAGE = 10_000
"""Browsers that one question returns at most."""

_COLUMNS = "id, username, endpoint, public_key, secret, agent, created, told, failures"


class BrowserRepository:
    """Browsers in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, browser: Browser) -> None:
        """Insert a browser, or take over one that is there; a user's oldest beyond the most go."""
        with self._database.transaction():
            self._database.execute("DELETE FROM browsers WHERE id = ?", (browser.id,))
            self._database.execute(
                f"INSERT INTO browsers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    browser.id,
                    storable(browser.username),
                    storable(browser.endpoint),
                    storable(browser.public_key),
                    storable(browser.secret),
                    storable(browser.agent),
                    browser.created,
                    browser.told,
                    browser.failures,
                ),
            )
            for each in self.list(browser.username)[MAX_OF_USER:]:
                self.remove(each.id)

    def list(self, username: str = "") -> Sequence[Browser]:
        """Return the browsers of a user, or of all, those that came last first."""
        where, values = ("WHERE username = ?", (storable(username),)) if username else ("", ())
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_COLUMNS} FROM browsers {where} "
                f"ORDER BY created DESC, id LIMIT {MAX_PAGE}",
                values,
            )
        )
        return [Browser(*row) for row in rows]

    def told(self, id: str, now: int) -> None:  # noqa: A002  The field's name.
        """Note that a browser was told."""
        self._database.execute(
            "UPDATE browsers SET told = ?, failures = 0 WHERE id = ?", (now, storable(id))
        )

    def failed(self, id: str) -> None:  # noqa: A002  The field's name.
        """Note that a browser could not be told."""
        self._database.execute(
            "UPDATE browsers SET failures = failures + 1 WHERE id = ?", (storable(id),)
        )

    def remove(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Forget a browser; tell whether it was there."""
        return bool(self._database.execute("DELETE FROM browsers WHERE id = ?", (storable(id),)))

    def remove_of(self, username: str) -> None:
        """Forget all browsers of a user."""
        self._database.execute("DELETE FROM browsers WHERE username = ?", (storable(username),))
