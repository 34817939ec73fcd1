"""JSON of feeds: read with care, asked by path."""

from __future__ import annotations

import json
from typing import Any

from phage.intel.feed import FeedError
from phage.intel.text import decoded


def document(body: bytes) -> Any:  # noqa: ANN401  JSON.
    """Return a JSON document. Raises FeedError."""
    text = decoded(body)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"what came is no JSON: {text[:60]!r}"
        raise FeedError(message) from error


def objects(value: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401  JSON.
    """Return the objects of a JSON list. Raises FeedError where there is no list."""
    if not isinstance(value, list):
        message = f"{where} is no list"
        raise FeedError(message)
    return [each for each in value if isinstance(each, dict)]


def at(value: Any, path: str) -> Any:  # noqa: ANN401  JSON.
    """Return what stands at a dotted path; None where nothing does."""
    for part in path.split(".") if path else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value
