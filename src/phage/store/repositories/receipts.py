"""Receipts: the last word of each responder on each decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.records.decision import Receipt, ReceiptState
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.store.database import Database

MAX_PAGE = 10_000
"""Decisions whose receipts one question returns at most."""

_COLUMNS = "decision, responder, state, written, detail"

_SAVE = (
    # A decision that retention has taken meanwhile needs no receipt any more.
    f"INSERT INTO receipts ({_COLUMNS}) SELECT id, ?, ?, ?, ? FROM decisions WHERE id = ? "
    "ON CONFLICT (decision, responder) DO UPDATE SET state = excluded.state, "
    "written = excluded.written, detail = excluded.detail"
)


class ReceiptRepository:
    """Receipts in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, receipts: Iterable[Receipt]) -> None:
        """Keep receipts, each instead of an older one of the same responder and decision."""
        rows = [
            (
                storable(receipt.responder),
                str(receipt.state),
                storable_integer(receipt.at),
                storable(receipt.detail),
                storable(receipt.decision),
            )
            for receipt in receipts
        ]
        if rows:
            with self._database.transaction():
                self._database.execute_many(_SAVE, rows)

    def of(self, decisions: Sequence[str]) -> dict[str, list[Receipt]]:
        """Return the receipts of decisions by their ids, those of responders by name."""
        wanted = list(decisions[:MAX_PAGE])
        found: dict[str, list[Receipt]] = {name: [] for name in wanted}
        for begin in range(0, len(wanted), 500):  # SQLite takes 999 parameters or more.
            part = wanted[begin : begin + 500]
            rows: list[tuple[Any, ...]] = list(
                self._database.query(
                    f"SELECT {_COLUMNS} FROM receipts WHERE decision IN "
                    f"({', '.join('?' * len(part))}) ORDER BY decision, responder",
                    part,
                )
            )
            for decision, responder, state, written, detail in rows:
                found[decision].append(
                    Receipt(decision, responder, ReceiptState(state), written, detail)
                )
        return found
