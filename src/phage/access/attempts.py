"""Bounds on logins that fail: by address, and by user, with a way in left for who was in before."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from phage.access.errors import SlowDownError

if TYPE_CHECKING:
    from phage.clock import Clock

WINDOW_SECONDS = 900.0
"""Failures are forgotten after this time."""

MAX_BY_ADDRESS = 10
"""Failures of one address (of one /64 in IPv6)."""

MAX_BY_USER = 50
"""Failures for one name from all addresses together. Whoever logged in from his address before is
not counted by it: a stranger who guesses does not lock the owner out."""

MAX_KEPT = 10_000
"""Addresses and names that are remembered; the oldest go."""


def origin_of(address: str) -> str:
    """Return by what failures of an address are counted: itself, or its /64 in IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


class Attempts:
    """Counts failed logins. May be called from several threads."""

    def __init__(self, clock: Clock) -> None:
        self.refused = 0
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, user: str, address: str) -> None:
        """Raise SlowDownError where too many have failed.

        To be called before a password is read: what comes is counted as failed until `succeeded`
        says otherwise.
        """
        origin = origin_of(address)
        with self._lock:
            waits = [self._wait(f"address {origin}", MAX_BY_ADDRESS)]
            if (user, origin) not in self._known:
                waits.append(self._wait(f"user {user}", MAX_BY_USER))
            wait = max(waits)
            if wait > 0:
                self.refused += 1
                message = "too many logins failed; try again later"
                raise SlowDownError(message, wait)
            self._count(f"address {origin}")
            self._count(f"user {user}")

    def succeeded(self, user: str, address: str) -> None:
        """Forget the failures of an address, and remember whom it belongs to."""
        origin = origin_of(address)
        with self._lock:
            self._failures.pop(f"address {origin}", None)
            since, count = self._failures.get(f"user {user}", (0.0, 0))
            if count:
                self._failures[f"user {user}"] = since, count - 1
            self._known[user, origin] = None
            self._known.move_to_end((user, origin))
            if len(self._known) > MAX_KEPT:
                self._known.popitem(last=False)

    def _wait(self, key: str, most: int) -> float:
        since, count = self._failures.get(key, (0.0, 0))
        left = since + WINDOW_SECONDS - self._clock.monotonic()
        return left if count >= most and left > 0 else 0.0

    def _count(self, key: str) -> None:
        now = self._clock.monotonic()
        since, count = self._failures.get(key, (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
        self._failures[key] = since, count + 1
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_KEPT:
            self._failures.popitem(last=False)
