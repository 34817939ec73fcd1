"""What is in a sample, as a tree that can be drawn row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.sample import Category, EngineKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.sample import EngineResult, Part

FOUND = frozenset({Category.MALICIOUS, Category.SUSPICIOUS})

MAX_DEPTH = 12
"""Levels that are drawn; what lies deeper is drawn at the last."""


@frozen
class Branch:
    """A part of a sample.

    Attributes:
        part: It.
        depth: Levels below the sample, at most `MAX_DEPTH`.
        name: Its name; that of the sample itself is ''.
        positives: Engines that found something.
        judged: Engines that have judged.
        found: What they said.
    """

    part: Part
    depth: int
    name: str
    positives: int
    judged: int
    found: tuple[EngineResult, ...]


def tree_of(parts: Sequence[Part]) -> list[Branch]:
    """Return the parts of a sample, each below what it was in."""
    return [_branch(each) for each in sorted(parts, key=lambda part: part.path)]


def _branch(part: Part) -> Branch:
    judged = [
        row
        for row in part.results
        if row.kind is EngineKind.EVILNESS
        and row.category.is_answer
        and row.category is not Category.TYPE_UNSUPPORTED
    ]
    found = tuple(row for row in part.results if row.category in FOUND)
    name = part.path[-1] if part.path else ""
    return Branch(part, min(len(part.path), MAX_DEPTH), name, len(found), len(judged), found)
