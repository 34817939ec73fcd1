"""Tables of indicators in CSV at any place."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import KINDS, Entries
from phage.intel.feed import FeedError
from phage.intel.text import decoded

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class Csv:
    """One indicator a row; columns by their names in the first row, or by number from 1."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "A table in CSV from any URL or file; the columns are settings."
    terms: ClassVar[str] = "Those of whoever made the table."
    least_s: ClassVar[float] = 300.0

    url: str = ""
    """Where the table is; a file's path is one too."""
    value: str = "1"
    """Column of the indicator: its name in the first row, or its number from 1."""
    kind: str = ""
    """What all are: ipv4, domain, url, md5...; empty: what each looks like."""
    first_seen: str = ""
    """Column of the time since when; empty: there is none."""
    tags: str = ""
    """Column of tags, separated by commas; empty: there is none."""
    delimiter: str = ","
    """What stands between columns."""
    confidence: int = 50
    """How sure the table is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not self.url:
            return "url is not set (a file's path is one too)"
        if len(self.delimiter) != 1:
            return "delimiter: must be one character"
        if self.kind and self.kind.lower() not in KINDS:
            return f"kind: there is no {self.kind!r}; there are {', '.join(KINDS)}"
        return ""

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the table. Raises FeedError and Unchanged."""
        lines = [
            line
            for line in decoded(downloads.get(self.url)).replace("\0", "").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        rows = csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True)
        entries = Entries(self.name, self.confidence)
        kind = KINDS.get(self.kind.lower())
        try:
            named = {} if self.value.isdecimal() else _header(next(rows, []))
            value, first, tags = (
                _place(column, named) for column in (self.value, self.first_seen, self.tags)
            )
            for row in rows:
                entries.add(_cell(row, value), kind, first=_cell(row, first), tags=_cell(row, tags))
        except csv.Error as error:
            message = f"what came is no CSV: {error}"
            raise FeedError(message) from error
        return entries.harvest()


def _header(row: list[str]) -> dict[str, int]:
    return {name.strip().lower(): number for number, name in enumerate(row)}


def _place(column: str, named: dict[str, int]) -> int | None:
    """Return a column's place. Raises FeedError where the table has none of that name."""
    if not column:
        return None
    if column.isdecimal():
        return int(column) - 1
    if column.lower() not in named:
        message = f"there is no column {column!r}; there are {', '.join(named)}"
        raise FeedError(message)
    return named[column.lower()]


def _cell(row: list[str], place: int | None) -> str:
    return row[place] if place is not None and 0 <= place < len(row) else ""
