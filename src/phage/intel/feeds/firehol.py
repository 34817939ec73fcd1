"""FireHOL: lists of many makers, collected; level 1 is meant for blocking."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from phage.intel.feed import FeedError
from phage.intel.plain import PlainFeed, harvest_of

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest

_ENTRIES = re.compile(rb"^#[ \t]*Entries[ \t]*:[ \t]*([\d,]{1,12})", re.MULTILINE)
"""How many networks a list says that it has."""

HEAD = 8192
"""Octets in which the head is looked for."""


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

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list, all of it. Raises FeedError and Unchanged."""
        body = downloads.get(self.url or self.base.format(self.list))
        harvest = harvest_of(body)
        said = _ENTRIES.search(body[:HEAD])
        claimed = int(said[1].replace(b",", b"") or 0) if said else 0
        if len(harvest.networks) + harvest.rejected < claimed:
            message = f"the list says it has {claimed} networks, and has {len(harvest.networks)}"
            raise FeedError(message)
        return replace(harvest, claimed=claimed)
