"""IPsum: many lists in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class Ipsum(PlainFeed):
    """IPsum: addresses by how many of thirty lists name them; 3 means three or more."""

    name: ClassVar[str] = "ipsum"
    summary: ClassVar[str] = (
        "IPsum: addresses by how many of thirty lists name them; 3 means three or more."
    )
    terms: ClassVar[str] = "Public domain."
    least_s: ClassVar[float] = 21_600.0
    base: ClassVar[str] = "https://raw.githubusercontent.com/stamparm/ipsum/master/levels/{}.txt"
    lists: ClassVar[tuple[str, ...]] = ("1", "2", "3", "4", "5", "6", "7", "8")

    list: str = "3"
    """Which of the maker's lists."""
    confidence: int = 60
    """How sure the list is, 0 to 100."""
