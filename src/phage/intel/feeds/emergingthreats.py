"""Emerging Threats' lists of addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from phage.intel.plain import PlainFeed


@dataclass(slots=True)
class EmergingThreats(PlainFeed):
    """Emerging Threats: compromised hosts, and what its open rules block."""

    name: ClassVar[str] = "emergingthreats"
    summary: ClassVar[str] = "Emerging Threats: compromised hosts, and what its open rules block."
    terms: ClassVar[str] = "BSD licence; holds data of Spamhaus and DShield."
    least_s: ClassVar[float] = 3600.0
    base: ClassVar[str] = "https://rules.emergingthreats.net/{}"
    lists: ClassVar[tuple[str, ...]] = (
        "blockrules/compromised-ips.txt",
        "fwrules/emerging-Block-IPs.txt",
    )

    list: str = "blockrules/compromised-ips.txt"
    """Which of the maker's lists."""
    confidence: int = 60
    """How sure the list is, 0 to 100."""
