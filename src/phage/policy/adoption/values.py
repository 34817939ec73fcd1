"""Values as other programs' files write them: addresses, ports, protocols, rates, times.

Each function returns phage's form or raises ValueError that says what must stand there.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from phage.errors import ConfigError
from phage.policy.networks import collapse
from phage.policy.services import PROTOCOLS
from phage.records.decision import Rate

MAX_REPORTED = 20
"""Faults named at a time; the rest shows when these are mended."""

MAX_ADDRESSES = 10_000
"""Addresses of one rule; who has more has a feed."""

MAX_PORTS = 1000
"""Ranges of ports of one rule."""

MAX_COUNT = 2**32 - 1
"""The kernel counts rates in 32 bits per unit."""

_ANY = frozenset({"any", "all", "*"})
_PROTOCOLS = {**PROTOCOLS, "icmp6": 58, "ipv6-icmp": 58}

_RATE = re.compile(r"([0-9]{1,10})\s*(?:/|per)\s*([a-z]{1,10})")
_UNITS = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600, "d": 86_400, "day": 86_400, "days": 86_400,
}  # fmt: skip
_RANGE = re.compile(r"([0-9]{1,5})(?:\s*[-:]\s*([0-9]{1,5}))?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class Faults:
    """What is wrong with a file: gathered, so that all can be mended at once."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, line: str) -> None:
        """Note a fault as a line for people, with file and line."""
        self._count += 1
        if len(self._lines) < MAX_REPORTED:
            self._lines.append(line)

    def raise_any(self) -> None:
        """Raise ConfigError with all faults, if there are any."""
        if not self._count:
            return
        more = self._count - len(self._lines)
        raise ConfigError("\n".join([*self._lines, *([f"and {more} more"] if more else [])]))


def number(value: object) -> int | None:
    """Return a whole number, written as a number or as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    return None


def networks(value: object) -> tuple[str, ...]:
    """Return networks in canonical text, host bits cleared; () for "any", in halves too."""
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_ADDRESSES:
        message = f"has more than {MAX_ADDRESSES} addresses; put them in a feed"
        raise ValueError(message)
    parts = [part for item in items for part in _parts(item)]
    if not parts:
        message = "must be an address or a network; leave the key out for any"
        raise ValueError(message)
    found = [_network(part) for part in parts]
    if "" in found or not all(each.prefixlen for each in collapse(map(ip_network, found))):
        return ()
    return tuple(dict.fromkeys(found))


def _parts(value: object) -> list[str]:
    """Split "a, b" into its parts; text only."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    message = f"must be an address such as 192.0.2.7 or 2001:db8::/32 (got {value!r:.60})"
    raise ValueError(message)


def _network(text: str) -> str:
    """Return a network in canonical text; '' when it is everything."""
    if text.lower() in _ANY:
        return ""
    try:
        network = ip_network(text.replace("%", "?"), strict=False)  # No zones.
    except ValueError:
        message = f"must be an address such as 192.0.2.7 or 2001:db8::/32 (got {text!r:.60})"
        raise ValueError(message) from None
    return str(network) if network.prefixlen else ""


def protocol(value: object) -> int | None:
    """Return the number of a protocol by name in any case or number; None for "any"."""
    found = number(value)
    if found is None and isinstance(value, str):
        name = value.strip().lower()
        if name in {*_ANY, "ip"}:
            return None
        found = _PROTOCOLS.get(name)
    if found is None or not 1 <= found <= 255:
        message = f"must be TCP, UDP, ICMP or a number from 1 to 255 (got {value!r:.60})"
        raise ValueError(message)
    return found


def ports(value: object) -> tuple[tuple[int, int], ...]:
    """Return ranges of ports, both ends included, of 443, "443", "80,443", "8000-8100" or a list.

    () for "any".
    """
    items = value if isinstance(value, list) else [value]
    texts = [part.strip() for item in items for part in _port_text(item).split(",")]
    if len(texts) > MAX_PORTS:
        message = f"has more than {MAX_PORTS} ports"
        raise ValueError(message)
    if not texts:
        message = "must be a port such as 443; leave the key out for any"
        raise ValueError(message)
    if any(text.lower() in _ANY for text in texts):
        return ()
    return tuple(sorted({_range(text) for text in texts}))


def _port_text(value: object) -> str:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value) if isinstance(value, str) or abs(value) < 10**9 else "?"
    message = f"must be a port such as 443, or a range such as 8000-8100 (got {value!r:.60})"
    raise ValueError(message)


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    low = int(match[1]) if match else -1
    high = int(match[2] or match[1]) if match else -1
    if not 1 <= low <= high <= 65_535:
        message = f"must be a port from 1 to 65535, or a range such as 8000-8100 (got {text!r:.60})"
        raise ValueError(message)
    return low, high


def rate(value: object) -> Rate:
    """Return the rate that "10/minute" or "10 per second" means; packets that open a connection."""
    match = _RATE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    seconds = _UNITS.get(match[2]) if match else None
    count = int(match[1]) if match else 0
    if seconds is None or not 1 <= count <= MAX_COUNT:
        message = f'must be a rate such as "10/minute" (got {value!r:.60})'
        raise ValueError(message)
    return Rate(count, "connections", seconds)
