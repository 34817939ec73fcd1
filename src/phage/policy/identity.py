"""Ids of decisions: 26 characters that sort by time, as ULIDs do (github.com/ulid/spec)."""

from __future__ import annotations

import secrets
import threading

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter can be taken for a number."""

_RANDOM_BITS = 80


class Identities:
    """Makes ids that grow, also within one millisecond and when the clock is set back."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new(self, now: int) -> str:
        """Return an id for a time in nanoseconds since the Unix epoch."""
        value = (now // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS - 1)
        with self._lock:
            self._last = value = max(value, self._last + 1)
        return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
