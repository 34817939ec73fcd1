"""Leaky buckets: what comes faster than it leaks away fills them.

After Turner, New directions in communications, IEEE Communications Magazine 1986.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache


@dataclass(slots=True)
class Bucket:
    """One bucket; times are nanoseconds since the Unix epoch.

    Attributes:
        level: What is in it.
        last: When it was looked at last.
    """

    level: float = 0.0
    last: int = 0

    def pour(self, time: int, leak_s: float, amount: float = 1.0) -> float:
        """Add an amount and return the level; one leaks away in `leak_s` seconds.

        Lines come a little out of order; what is earlier than the last counts as of that time.
        """
        if time > self.last:
            self.level = max(0.0, self.level - (time - self.last) / (leak_s * 1e9))
            self.last = time
        self.level += amount
        return self.level


@lru_cache(maxsize=8192)
def source_group(address: str, home: tuple[str, ...] = ()) -> str:
    """Return what one party holds: an IPv4 address, the /64 of an IPv6 one (RFC 6177).

    At home and on the link (RFC 4291, section 2.5.6) a /64 is the whole network: there it is the
    address. Text that is no address is returned as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.is_link_local:
        return address
    if any(parsed in network for network in _networks(home)):
        return address
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))


@lru_cache(maxsize=16)
def _networks(home: tuple[str, ...]) -> tuple[ipaddress.IPv6Network, ...]:
    networks = (ipaddress.ip_network(text, strict=False) for text in home if ":" in text)
    return tuple(each for each in networks if isinstance(each, ipaddress.IPv6Network))
