"""CINS Army."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class Cins(PlainFeed):
    """CINS Army: addresses of bad reputation."""

    name: ClassVar[str] = "cins"
    summary: ClassVar[str] = "CINS Army: addresses of bad reputation."
    terms: ClassVar[str] = "Free to use, not to sell."
    least_s: ClassVar[float] = 3600.0
    base: ClassVar[str] = "https://cinsscore.com/list/{}"
    lists: ClassVar[tuple[str, ...]] = ("ci-badguys.txt",)

    list: str = "ci-badguys.txt"
    """Which of the maker's lists."""
    confidence: int = 50
    """How sure the list is, 0 to 100."""
