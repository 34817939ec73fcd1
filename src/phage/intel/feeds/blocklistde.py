"""blocklist.de."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class BlocklistDe(PlainFeed):
    """blocklist.de: who attacked its members in the last two days, by service."""

    name: ClassVar[str] = "blocklistde"
    summary: ClassVar[str] = (
        "blocklist.de: who attacked its members in the last two days, by service."
    )
    terms: ClassVar[str] = "Free."
    least_s: ClassVar[float] = 1800.0
    base: ClassVar[str] = "https://lists.blocklist.de/lists/{}.txt"
    lists: ClassVar[tuple[str, ...]] = (
        "all",
        "apache",
        "bots",
        "bruteforcelogin",
        "ftp",
        "imap",
        "ircbot",
        "mail",
        "sip",
        "ssh",
        "strongips",
    )

    list: str = "all"
    """Which of the maker's lists."""
    confidence: int = 60
    """How sure the list is, 0 to 100."""
