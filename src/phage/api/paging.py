"""Lists: pages by cursor, sorted, with the fields that are wanted.

A cursor names the last row of a page by the values it was sorted by (keyset paging): the next page
begins there, however many rows came or went meanwhile.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

from phage.api.problem import Fault, ProblemError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import JsonValue

T = TypeVar("T")

LONGEST_CURSOR = 2048

Limit = Annotated[int, Query(ge=1, le=1000, description="Rows of a page, at most.")]
Cursor = Annotated[
    str,
    Query(max_length=LONGEST_CURSOR, description="`next` of the page before; empty: the first."),
]
Fields = Annotated[
    str,
    Query(
        max_length=1000,
        description="Fields that are wanted, separated by commas; empty: all.",
        examples=["id,summary"],
    ),
]


def _all_optional(schema: dict[str, Any]) -> None:
    """Say that any field may be left out: `fields` chooses them."""
    schema.pop("required", None)


class Row(BaseModel):
    """The base of what lists are made of: any field may be left out by `fields`."""

    model_config = ConfigDict(json_schema_extra=_all_optional)


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T] = Field(description="The rows.")
    next: str = Field("", description="Cursor of the next page; empty: this is the last.")


@frozen
class Keys:
    """The values by which rows are sorted: their kinds, for reading cursors back."""

    kinds: tuple[type[int | str | float], ...]

    def read(self, cursor: str) -> tuple[int | str | float, ...] | None:
        """Return the values of a cursor; None for ''. Raises ProblemError."""
        if not cursor:
            return None
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            return tuple(
                TypeAdapter(kind).validate_python(value, strict=True)
                for kind, value in zip(self.kinds, list(values), strict=True)
            )
        except (ValueError, TypeError, RecursionError):  # Of base64, JSON, zip and pydantic.
            message = "that is no cursor of this list; begin again without one"
            fault = Fault(where="query.cursor", detail=message)
            raise ProblemError(422, message, errors=[fault]) from None


def write_cursor(values: Sequence[int | str | float]) -> str:
    """Return the cursor of a row by the values it was sorted by."""
    text = json.dumps(list(values), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_of(
    rows: Sequence[T],
    limit: int,
    keys: Callable[[T], Sequence[int | str | float]],
    shape: Callable[[T], Mapping[str, JsonValue]],
    fields: str = "",
) -> Response:
    """Return a page of rows of which one more than `limit` was asked for.

    It is written here: the framework would read each row into a model first, which takes longer
    than all the rest. That answers are as their models say is tested for every route.
    """
    items: list[Mapping[str, JsonValue]] = [shape(row) for row in rows[:limit]]
    if chosen := chosen_fields(fields):
        items = [select(each, chosen) for each in items]
    more = write_cursor(keys(rows[limit - 1])) if len(rows) > limit else ""
    page = to_json({"items": items, "next": more}, inf_nan_mode="null")
    return Response(page, media_type="application/json")


def chosen_fields(fields: str) -> frozenset[str]:
    """Return the fields that are wanted; none for all."""
    return frozenset(name.strip() for name in fields.split(",") if name.strip())


def select(record: Mapping[str, Any], chosen: frozenset[str]) -> dict[str, Any]:
    """Return the fields of a record that are wanted; its id comes always.

    Raises ProblemError for a field that it does not have.
    """
    if unknown := sorted(chosen - record.keys()):
        message = f"there is no field {unknown[0]!r}; there are {', '.join(record)}"
        raise ProblemError(422, message, errors=[Fault(where="query.fields", detail=message)])
    return {name: value for name, value in record.items() if name in chosen or name == "id"}
