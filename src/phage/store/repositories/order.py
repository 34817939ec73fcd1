"""Orders in which a list can be read, page by page (keyset paging)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

KeyValues = tuple[int | str | float, ...]
"""The values by which the last row of a page was sorted."""


@frozen
class Order(Generic[T]):
    """One order, descending; there is an index for it.

    Attributes:
        columns: Columns that it sorts by; together they tell any two rows apart.
        kinds: Kinds of their values.
        keys: Returns these values of a record.
    """

    columns: tuple[str, ...]
    kinds: tuple[type[int | str | float], ...]
    keys: Callable[[T], KeyValues]

    @property
    def clause(self) -> str:
        """Return what follows ORDER BY."""
        return ", ".join(f"{column} DESC" for column in self.columns)

    @property
    def following(self) -> str:
        """Return the condition that a row comes after one with given values."""
        marks = ", ".join("?" * len(self.columns))
        return f"({', '.join(self.columns)}) < ({marks})"
