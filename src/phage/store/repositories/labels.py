"""Labels of findings: what people say they were."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database

MAX_PAGE = 10_000
"""Findings whose labels one question returns at most."""

_COLUMNS = "finding, label, note, author, written"


class Label(enum.StrEnum):
    """What a finding was, as a person judges it."""

    ATTACK = "attack"
    """It was what it says."""
    NOT_AN_ATTACK = "not an attack"
    """A false positive: it may be learned."""
    EXPECTED = "expected"
    """True, and wanted: a scan of one's own, a backup."""


@frozen
class FindingLabel:
    """A person's word on a finding; `written` is in nanoseconds since the Unix epoch."""

    finding: str
    label: Label
    note: str
    author: str
    written: int


class LabelRepository:
    """Labels in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, label: FindingLabel) -> None:
        """Keep a label in place of an earlier one of the same finding."""
        self._database.execute(
            f"INSERT INTO finding_labels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (finding) DO UPDATE SET label = excluded.label, note = excluded.note, "
            "author = excluded.author, written = excluded.written",
            (
                storable(label.finding),
                str(label.label),
                storable(label.note),
                storable(label.author),
                label.written,
            ),
        )

    def remove(self, finding: str) -> bool:
        """Take a finding's label back; tell whether it had one."""
        return bool(
            self._database.execute(
                "DELETE FROM finding_labels WHERE finding = ?", (storable(finding),)
            )
        )

    def of(self, findings: Sequence[str]) -> dict[str, FindingLabel]:
        """Return the labels of findings, by id."""
        wanted = [storable(each) for each in findings[:MAX_PAGE]]
        found: dict[str, FindingLabel] = {}
        for begin in range(0, len(wanted), 500):  # SQLite takes 999 parameters or more.
            part = wanted[begin : begin + 500]
            rows: list[tuple[Any, ...]] = list(
                self._database.query(
                    f"SELECT {_COLUMNS} FROM finding_labels WHERE finding IN "
                    f"({', '.join('?' * len(part))})",
                    part,
                )
            )
            for finding, label, note, author, written in rows:
                found[finding] = FindingLabel(finding, Label(label), note, author, written)
        return found
