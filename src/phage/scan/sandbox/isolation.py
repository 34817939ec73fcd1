"""How well a sandbox isolates: what its walls proved to be, as one level."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Level(enum.StrEnum):
    """The level of isolation, as it was proven at start."""

    FULL = "full"
    """Every wall stands."""
    PARTIAL = "partial"
    """Limits, and no network; but more of the machine can be seen than is needed."""
    NONE = "none"
    """At most limits of time: for files that you trust."""

    @property
    def rank(self) -> int:
        """Return 0 for none up to 2 for full."""
        return ("none", "partial", "full").index(self)


LEAST = ("user", "network", "memory", "processes")
"""Walls without which a sandbox is none: they are there without namespaces too."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What was proven.

    Attributes:
        level: All walls taken together.
        walls: Each wall with '' where it stands, else what was possible.
        means: What makes the walls: "bubblewrap", "Landlock".
        reason: Why it is no better; '' for full.
    """

    level: Level
    walls: Mapping[str, str] = field(default_factory=dict)
    means: str = ""
    reason: str = ""

    @classmethod
    def of(cls, walls: Mapping[str, str], means: str, reason: str = "") -> Isolation:
        """Return the level that proven walls make."""
        broken = {wall: fault for wall, fault in walls.items() if fault}
        if not broken:
            level = Level.FULL
        else:
            level = Level.NONE if any(wall in broken for wall in LEAST) else Level.PARTIAL
        faults = "; ".join([reason, *broken.values()] if reason else broken.values())
        return cls(level, walls, means, "" if level is Level.FULL else faults)
