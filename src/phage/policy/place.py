"""Where something stands in a rule file, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REPORTED = 20
"""Faults named at a time; the rest shows when these are mended."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A file, and line and column in it, both from 1; 0 where there is none."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return "file:line:column", as editors open it."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """Return "file:line"."""
        return f"{self.file}:{self.line}" if self.line else self.file


class Fault(Exception):  # noqa: N818  It is collected, and leaves as a RuleError.
    """One thing that is wrong in a rule file: where, what, and what to do."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place, self.text = place, text


def error_of(faults: Sequence[Fault]) -> RuleError:
    """Return the error that names these faults, one a line."""
    first = faults[0].place
    lines = [str(fault) for fault in faults[:MAX_REPORTED]]
    if len(faults) > MAX_REPORTED:
        lines.append(f"and {len(faults) - MAX_REPORTED} more")
    return RuleError("\n".join(lines), file=first.file, line=first.line, column=first.column)
