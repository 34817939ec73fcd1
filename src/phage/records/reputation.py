"""What a community says of one address when it is asked."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class Reputation:
    """What AbuseIPDB says of an address.

    Attributes:
        address: The address.
        asked: When it was asked, in nanoseconds since the Unix epoch.
        score: How sure the community is that it is abused, 0 to 100.
        reports: Reports of the last 90 days.
        reporters: Who made them, each counted once.
        country: Two letters (ISO 3166-1), '' for unknown.
        usage: What it is used for: a data centre, a mobile provider, ...
        organization: Who runs it.
        is_tor: It is an exit of Tor.
        is_trusted: The community knows it as harmless.
        last_reported: When it was reported last, in nanoseconds; 0 for never.
    """

    address: str
    asked: int
    score: int = 0
    reports: int = 0
    reporters: int = 0
    country: str = ""
    usage: str = ""
    organization: str = ""
    is_tor: bool = False
    is_trusted: bool = False
    last_reported: int = 0

    def __str__(self) -> str:
        """Return it in one line."""
        said = f"{self.score} % sure, {self.reports} reports by {self.reporters}"
        about = (
            said,
            "exit of Tor" if self.is_tor else "",
            "known as harmless" if self.is_trusted else "",
            self.usage,
            self.organization,
            self.country,
        )
        return ", ".join(filter(None, about))
