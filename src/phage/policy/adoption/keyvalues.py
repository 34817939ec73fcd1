"""Files with a `key = value` a line, as FastNetMon reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.importer import NotImported

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINES = 20_000
"""Lines that are looked at; the shipped file has 450."""

MAX_TOLD = 200
"""Lines that are listed as not understood; a file with more is another one."""

_SHOWN = 80
"""Characters of a line that are shown."""


@frozen
class Entry:
    """One line of such a file: key, value, and the number of the line, from 1."""

    key: str
    value: str
    line: int


def entries(text: str) -> tuple[list[Entry], list[NotImported]]:
    """Return the entries of a text, and the lines that are none.

    A `#` at the beginning makes a line a comment; behind a value it does not, there the line is
    none at all. Lists may stand in brackets, with blanks.
    """
    found: list[Entry] = []
    strange: list[NotImported] = []
    lines = text.splitlines()
    for number, line in _bare(lines[:MAX_LINES]):
        key, sign, value = (part.strip() for part in line.partition("="))
        is_list = value.startswith("[") and value.endswith("]")
        if not sign or not key or " " in key:
            strange.append(NotImported(number, line[:_SHOWN], "is no `key = value`"))
        elif not value:
            strange.append(NotImported(number, key[:_SHOWN], "has no value"))
        elif len(value.split()) > 1 and not is_list:
            reason = "FastNetMon skips a line with anything behind the value; remove that"
            strange.append(NotImported(number, line[:_SHOWN], reason))
        else:
            found.append(Entry(key, value, number))
    if len(lines) > MAX_LINES:
        strange.append(NotImported(MAX_LINES + 1, "the rest", f"is beyond {MAX_LINES} lines"))
    return found, shortened(strange)


def listed(text: str) -> list[tuple[int, str]]:
    """Return the items of a list that has one a line, with the numbers of their lines."""
    return list(_bare(text.splitlines()[:MAX_LINES]))


def shortened(left: list[NotImported]) -> list[NotImported]:
    """Return a list of what is left out that a person can read; the last item tells of more."""
    if len(left) <= MAX_TOLD:
        return left
    more = len(left) - MAX_TOLD
    return [*left[:MAX_TOLD], NotImported(left[MAX_TOLD].line, f"and {more} more", "of such lines")]


def _bare(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield number, bare
