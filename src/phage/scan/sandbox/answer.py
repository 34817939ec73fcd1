"""What a process in the sandbox said, checked: a hostile file may have written it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from phage.records.sample import Category, EngineKind, EngineResult, EngineVersion, Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FACTS = 1000
"""Values in all facts of one answer."""

LONGEST = 1000
"""Characters of one text."""

DEEPEST = 5
"""Levels of facts."""

MOST_TAGS = 20


def result_of(
    message: Mapping[str, Any], engine: str, kind: EngineKind, version: EngineVersion
) -> EngineResult:
    """Return a result of a message; one that is no answer is a failure."""
    if "error" in message:
        error = text(message["error"])
        return EngineResult(engine, kind, Category.FAILURE, version=version, error=error)
    try:
        category = Category(message.get("category", ""))
    except ValueError:
        category = Category.FAILURE
    if not category.is_answer:
        error = "the answer makes no sense"
        return EngineResult(engine, kind, Category.FAILURE, version=version, error=error)
    label = text(message.get("label", ""))[:200]
    bad = category in {Category.MALICIOUS, Category.SUSPICIOUS}
    if kind is EngineKind.METADATA and (bad or category is Category.HARMLESS):
        category, label = Category.UNDETECTED, ""  # It was not asked to judge.
    return EngineResult(
        engine,
        kind,
        category,
        label=(label or "unnamed") if bad else "",
        version=version,
        facts=facts(message.get("facts")),
        seconds=_seconds(message.get("seconds")),
    )


def tags(value: object) -> tuple[str, ...]:
    """Return the tags of an answer: short words."""
    if not isinstance(value, list):
        return ()
    return tuple(dict.fromkeys(text(tag)[:40] for tag in value[:MOST_TAGS]))


def facts(value: object) -> dict[str, Fact]:
    """Return facts within bounds; what is beyond them is left out, and `truncated` says so."""
    if not isinstance(value, dict):
        return {}
    left = [MOST_FACTS]
    found = _bounded(value, DEEPEST, left)
    if not isinstance(found, dict):
        return {}
    if left[0] <= 0:
        found["truncated"] = True
    return found


def _bounded(value: object, depth: int, left: list[int]) -> Fact:
    left[0] -= 1
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:LONGEST]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict) and depth:
        return {
            text(name)[:100]: _bounded(item, depth - 1, left)
            for name, item in value.items()
            if left[0] > 0
        }
    if isinstance(value, list | tuple) and depth:
        return [_bounded(item, depth - 1, left) for item in value if left[0] > 0]
    return text(value)


def text(value: object) -> str:
    """Return a text that can be stored and shown: valid Unicode, of bounded length, without NUL."""
    found = str(value)[:LONGEST].replace("\0", "\ufffd")
    return found.encode("utf-8", "replace").decode("utf-8")


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value < 86_400:  # Nor what is no number.
        return 0.0
    return float(value)
