"""Times of requests: RFC 3339, or how long ago."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import Query

from phage.api.problem import Fault, ProblemError
from phage.store.repositories.text import storable_integer

Moment = Annotated[
    str | None,
    Query(
        max_length=40,
        description="A time, as RFC 3339: 2026-01-31T12:00:00Z.",
        examples=["2026-01-31T12:00:00Z"],
    ),
]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def moment(text: str | None, name: str) -> int | None:
    """Return a time of a query in nanoseconds since the Unix epoch. Raises ProblemError."""
    if not text:
        return None
    try:
        # Without a zone the subtraction fails: a time of nowhere is no time.
        passed = datetime.datetime.fromisoformat(text.replace(" ", "+")) - _EPOCH
    except (ValueError, TypeError, OverflowError):
        message = "must be a time as RFC 3339, with its zone: 2026-01-31T12:00:00Z"
        fault = Fault(where=f"query.{name}", detail=message)
        raise ProblemError(422, f"{name} {message}", errors=[fault]) from None
    exact = (passed.days * 86_400 + passed.seconds) * 10**9 + passed.microseconds * 1000
    return storable_integer(exact)
