"""Decisions for remediation components (bouncers): what is in force, and what has changed since.

Each bouncer's last answer is kept, so that a change of any kind (decided, extended, revoked,
expired, panic) is a difference between then and now. One that is not known (phage was started anew,
or too many others came) gets all that is in force, and what ended lately.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.intel.networks import network_text
from phage.policy.target import network_of
from phage.records.address import parse_address
from phage.records.decision import Action, Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from phage.records.decision import Decision

MAX_BOUNCERS = 64
"""Bouncers whose last answer is kept: 27 octets for a decision for each."""

FOR_EVER_SECONDS = 365 * 86_400
"""What a decision without an end is told to last: it is told again when the bouncer starts."""

BOUNCERS = "bouncers"
"""The name by which a decision is for bouncers only, or for others only (`responders`)."""

_TYPES = {Action.BAN: "ban", Action.REJECT: "ban", Action.LIMIT: "throttle"}
"""What bouncers call an action. A quarantine is the business of the device's own network."""

_NAMES = ("ban", "throttle")

_KEY = "S19"
"""Network, length, type, mark."""

_MARK = b"\xff"
"""Ends a key: NumPy strips zero octets from the end of what it compares."""


@frozen
class Remedy:
    """One decision as bouncers know it; `seconds` is what is left, negative once it ended."""

    value: str
    type: str
    seconds: float
    scenario: str
    id: int

    @property
    def scope(self) -> str:
        """Return "Ip" or "Range"."""
        return "Range" if "/" in self.value else "Ip"


@dataclass(slots=True)
class _Seen:
    """What a bouncer was told: keys in order, and until when each lasts."""

    keys: npt.NDArray[np.bytes_]
    until: npt.NDArray[np.int64]


class BouncerFeed:
    """Answers bouncers. May be called from several threads.

    Args:
        in_force: Returns the decisions that are to be carried out; none while panic holds them.
        ended: Returns decisions that ended lately, for bouncers that are not known.
    """

    def __init__(
        self,
        in_force: Callable[[], Iterable[Decision]],
        ended: Callable[[], Iterable[Decision]] = tuple,
    ) -> None:
        self.pulls = 0
        self._in_force = in_force
        self._ended = ended
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()

    def standing(self, now: int) -> Iterator[Remedy]:
        """Yield all that is in force."""
        for key, decision in self._now(now).items():
            yield _remedy(key, decision, now)

    def pull(
        self, bouncer: str, now: int, *, startup: bool
    ) -> tuple[Sequence[Remedy], Sequence[Remedy]]:
        """Return what is new for a bouncer, and what has ended since it asked last."""
        current = self._now(now)
        keys = np.array(sorted(current), dtype=_KEY)
        until = np.fromiter((current[bytes(key)].until for key in keys), np.int64, len(keys))
        with self._lock:
            self.pulls += 1
            before = self._seen.pop(bouncer, None)
            self._seen[bouncer] = _Seen(keys, until)
            if len(self._seen) > MAX_BOUNCERS:
                self._seen.popitem(last=False)
        fresh = list(current)
        if before is None:
            gone = {key for each in self._ended() if (key := _key(each))} - current.keys()
        else:
            gone = {bytes(key) for key in np.setdiff1d(before.keys, keys, assume_unique=True)}
            if not startup:
                fresh = [bytes(key) for key in keys[_changed(before, keys, until)]]
        new = [_remedy(key, current[key], now) for key in fresh]
        return new, [Remedy(_text(key), _type(key), -1.0, "phage", _id(key)) for key in gone]

    def _now(self, now: int) -> dict[bytes, Decision]:
        """Return what is in force by key; of several with one key that which ends last."""
        found: dict[bytes, Decision] = {}
        for decision in self._in_force():
            key = _key(decision) if decision.is_in_force(now) else b""
            if not key:
                continue
            other = found.get(key)
            if other is None or (other.until and not 0 < decision.until < other.until):
                found[key] = decision
        return found


def _changed(
    before: _Seen, keys: npt.NDArray[np.bytes_], until: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which keys are new, or end at another time than was told."""
    if not len(before.keys):
        return np.ones(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(before.keys, keys), len(before.keys) - 1)
    changed: npt.NDArray[np.bool_] = (before.keys[at] != keys) | (before.until[at] != until)
    return changed


def _key(decision: Decision) -> bytes:
    """Return the key of a decision: network, length, type; b"" for one that is not for bouncers."""
    kind = _TYPES.get(decision.action, "")
    network = network_of(decision.target) if kind else None
    named = not decision.responders or BOUNCERS in decision.responders
    if network is None or not named or decision.direction is Direction.TO:
        return b""
    length = network.prefixlen + (96 if isinstance(network, ipaddress.IPv4Network) else 0)
    octets = parse_address(str(network.network_address))
    return octets + bytes([length, _NAMES.index(kind)]) + _MARK


def _text(key: bytes) -> str:
    return network_text(key[:16], key[16])


def _type(key: bytes) -> str:
    return _NAMES[key[17]]


def _id(key: bytes) -> int:
    """Return a number for a key, the same each time, that every JSON reader keeps exact."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest(), "big")


def _remedy(key: bytes, decision: Decision, now: int) -> Remedy:
    left = (decision.until - now) / 1e9 if decision.until else float(FOR_EVER_SECONDS)
    why = decision.rule or decision.reason
    return Remedy(_text(key), _type(key), left, f"phage/{why}"[:200], _id(key))
