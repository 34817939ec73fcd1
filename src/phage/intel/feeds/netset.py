"""Lists of addresses and networks, one a line, at any place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class Netset(PlainFeed):
    """A list of addresses, networks (CIDR) or ranges, one a line, with comments."""

    name: ClassVar[str] = "netset"
    summary: ClassVar[str] = "Addresses and networks, one a line, from any URL or file."
    terms: ClassVar[str] = "Those of whoever made the list."
    least_s: ClassVar[float] = 300.0

    def check(self) -> str:
        """Return what is missing."""
        return "" if self.url else "url is not set (a file's path is one too)"
