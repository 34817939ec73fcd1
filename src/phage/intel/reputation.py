"""Asks AbuseIPDB about single addresses: within its quota, and not twice a day."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document
from phage.intel.values import nanoseconds
from phage.records.reputation import Reputation

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.intel.feed import Downloads

DAY = 86_400 * 10**9
_LONGEST = 128


class Memory(Protocol):
    """What was said before; see `phage.store.repositories.reputations`."""

    def get(self, address: str, since: int) -> Reputation | None:
        """Return what was said of an address since a time."""

    def save(self, reputation: Reputation) -> None:
        """Remember what was said."""

    def asked_since(self, since: int) -> int:
        """Return how many addresses were asked about since a time."""

    def rest(self, until: int) -> None:
        """Remember until when nobody may ask."""

    def rests_until(self) -> int:
        """Return until when nobody may ask."""


@dataclass(frozen=True)
class AbuseCheck:
    """Asks AbuseIPDB's `check`, and remembers the answers.

    Attributes:
        downloads: Gets the answers.
        memory: Keeps them.
        clock: Tells how old they are.
        url: Where the API is.
        key_file: File whose first line is the key.
        keep: Seconds for which an answer is good.
        a_day: Addresses in any 24 hours, at most; as many as the key allows.
    """

    downloads: Downloads
    memory: Memory
    clock: Clock
    url: str
    key_file: str
    keep: float
    a_day: int

    def known(self, address: str) -> Reputation | None:
        """Return what was said of an address not long ago; nobody is asked."""
        return self.memory.get(address, self.clock.now() - int(self.keep * 1e9))

    def ask(self, address: str) -> Reputation | None:
        """Return what is said of an address; None for one that nobody outside has.

        Raises FeedError when it cannot be asked, or may not any more today.
        """
        found = ipaddress.ip_address(address)
        if not found.is_global or found.is_multicast:
            return None
        if known := self.known(str(found)):
            return known
        now = self.clock.now()
        if now < (until := self.memory.rests_until()):
            message = f"AbuseIPDB wants to be asked again in {(until - now) // 10**9} s"
            raise FeedError(message)
        if self.memory.asked_since(now - DAY) >= self.a_day:
            message = f"AbuseIPDB was asked about {self.a_day} addresses within a day, the most"
            raise FeedError(message)
        made = self._asked(str(found), now)
        self.memory.save(made)
        return made

    def _asked(self, address: str, now: int) -> Reputation:
        query = urlencode({"ipAddress": address, "maxAgeInDays": 90})
        headers = {"Key": read_key("", self.key_file), "Accept": "application/json"}
        try:
            answer = document(self.downloads.get(f"{self.url}?{query}", headers, conditional=False))
        except FeedError as error:
            if error.after:
                self.memory.rest(now + int(error.after * 1e9))
            raise
        if self.downloads.said("x-ratelimit-remaining") == "0":
            reset = nanoseconds(self.downloads.said("x-ratelimit-reset"))
            self.memory.rest(min(max(reset, now), now + DAY) if reset else now + DAY)
        data = at(answer, "data")
        if not isinstance(data, dict):
            message = f"AbuseIPDB answered {str(at(answer, 'errors'))[:100]}"
            raise FeedError(message)
        return _reputation(address, now, data)


def _reputation(address: str, now: int, data: dict[str, object]) -> Reputation:
    def number(name: str, most: int = 2**31) -> int:
        value = data.get(name)
        return max(0, min(most, value)) if isinstance(value, int) else 0

    def text(name: str) -> str:
        value = data.get(name)
        return "".join(filter(str.isprintable, value))[:_LONGEST] if isinstance(value, str) else ""

    return Reputation(
        address=address,
        asked=now,
        score=number("abuseConfidenceScore", 100),
        reports=number("totalReports"),
        reporters=number("numDistinctUsers"),
        country=text("countryCode")[:2],
        usage=text("usageType"),
        organization=text("isp"),
        is_tor=data.get("isTor") is True,
        is_trusted=data.get("isWhitelisted") is True,
        last_reported=nanoseconds(data.get("lastReportedAt")),
    )
