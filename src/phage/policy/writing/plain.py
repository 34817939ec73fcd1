"""Plain values for YAML: what says nothing is left out, a list of one is its item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Values = dict[str, Any]


def some(items: Iterable[Any]) -> Any:  # noqa: ANN401
    """Return a list; its only item where it has one, None where it has none."""
    known = list(items)
    if not known:
        return None
    return known[0] if len(known) == 1 else known


def filled(values: Values) -> Values:
    """Return a mapping without what says nothing."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and value not in ("", {}, [])
    }
