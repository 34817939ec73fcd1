"""What feeds share that are lists of addresses, one a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.feed import FeedError, Harvest
from phage.intel.networks import parse_networks
from phage.intel.text import decoded, first_fields

if TYPE_CHECKING:
    from phage.intel.feed import Downloads


def harvest_of(body: bytes) -> Harvest:
    """Read a list of addresses, networks and ranges; what follows them in a line is left out.

    Raises FeedError when most of it is something else.
    """
    networks = parse_networks(first_fields(decoded(body)))
    if networks.rejected > 10 and networks.rejected > len(networks):
        shown = ascii(networks.samples[0][:60])
        message = f"{networks.rejected} lines name no network, such as {shown}"
        raise FeedError(message)
    return Harvest(networks, rejected=networks.rejected)


@dataclass(slots=True)
class PlainFeed:
    """A list of addresses at one place, named by what a maker calls it."""

    base: ClassVar[str] = ""
    """The address, with `{}` for the list's name."""
    lists: ClassVar[tuple[str, ...]] = ()
    """The names that are known; empty: any."""
    least_s: ClassVar[float] = 3600.0

    list: str = ""
    """Which of the maker's lists."""
    url: str = ""
    """Another place to get it from, such as a mirror."""
    confidence: int = 50
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not self.url and self.lists and self.list not in self.lists:
            return f"list: there is no {self.list!r}; there are {', '.join(self.lists)}"
        if not self.url and not self.list and "{}" in self.base:
            return "list is not set"
        return ""

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the list. Raises FeedError and Unchanged."""
        return harvest_of(downloads.get(self.url or self.base.format(self.list)))
