"""FireHOL: lists of many makers, collected; level 1 is meant for blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class FireHol(PlainFeed):
    """FireHOL's collected lists of networks (netsets)."""

    name: ClassVar[str] = "firehol"
    summary: ClassVar[str] = "FireHOL's collected lists of networks (netsets)."
    terms: ClassVar[str] = "Each list keeps its maker's terms."
    least_s: ClassVar[float] = 3600.0
    base: ClassVar[str] = "https://iplists.firehol.org/files/{}.netset"
    lists: ClassVar[tuple[str, ...]] = ()

    bogons: ClassVar[bool] = True
    """Some of its lists name private and unassigned networks on purpose."""

    list: str = "firehol_level1"
    """Which of the maker's lists."""
    confidence: int = 60
    """How sure the list is, 0 to 100."""
