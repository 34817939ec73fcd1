"""Profiles in the making: what each device does, counted, and what of it is new.

What is learned is guarded. While findings name a device nothing is learned of it; what threat
intelligence names is never learned. Once a profile is saturated, something new is normal only when
it came again on another day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.devices.keyuse import DAY_NS, Use, use_of
from phage.records.profile import EPHEMERAL, NO_PORT, USUAL_PORTS, Phase, Profile, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_KEYS = 400
"""Keys of one device: simple ones have 14 to 32, a camera that speaks to peers anywhere 200."""

MAX_WAITING = 100
MAX_SERVICES = 1024
"""Services of one device whose high ports are kept: who scans has to do with every network."""

MAX_NAMES = 512
"""Addresses of one device whose names are kept."""

HIGH_PORT = 1024
SEVERAL = 3
"""More ports than this of one service are chosen anew each time."""

DYNAMIC_PORT = 49_152
"""Ports from here on belong to no service (RFC 6335, section 6)."""

UNUSED_NS = 60 * DAY_NS
"""What a device has not done for two months is not normal any more."""

REPEAT_DAYS = 2
"""On how many days something new must be seen before it is normal."""

LEAST_RATE = 30.0
"""Fewer events in a minute are no excess, whatever is usual."""

LEAST_UP_DOWN = 10.0
"""Sending so many times what is received is no excess: cameras do."""

EXCESS = 5.0
"""How many times the most that was seen is an excess."""

RENEWED_NS = DAY_NS
FIRMWARE_OCTETS = 1_000_000
"""A download of so much, far beyond the usual, may be new firmware."""

NEW_A_WEEK = 0.3
"""A profile is saturated when fewer new keys than this are to be expected in a week."""

WEEK_NS = 7 * DAY_NS


@dataclass(slots=True)
class Book:
    """The profile of one device in the making.

    `least_ns` is how long it is observed at least.
    """

    device: str
    since: int
    least_ns: int = 3 * DAY_NS
    until: int = 0
    phase: Phase = Phase.OBSERVE
    keys: dict[ProfileKey, Use] = field(default_factory=dict)
    waiting: dict[ProfileKey, Use] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    ports: dict[tuple[Way, int, str], set[int]] = field(default_factory=dict)
    renewed: int = 0
    dropped: int = 0
    changed: bool = True
    version: int = 0
    """Grows when something that was done has another key from now on."""

    def generalised(self, key: ProfileKey) -> ProfileKey:
        """Return a key, its port EPHEMERAL where the service's is chosen anew each time."""
        if key.port < HIGH_PORT:
            return key
        service = (key.way, key.protocol, key.peer)
        known = self.ports.get(service)
        if known is None:
            if len(self.ports) >= MAX_SERVICES:
                del self.ports[next(iter(self.ports))]
                self.dropped += 1
            known = self.ports[service] = set()
        if key.port < DYNAMIC_PORT and len(known) <= SEVERAL:
            known.add(key.port)
            if len(known) <= SEVERAL:
                return key
            self._fold(service)
        return ProfileKey(key.way, key.protocol, EPHEMERAL, key.peer)

    def _fold(self, service: tuple[Way, int, str]) -> None:
        """Make one key of those of a service whose port is chosen anew each time."""
        self.version += 1
        for table in (self.keys, self.waiting):
            alike = [
                key
                for key in table
                if (key.way, key.protocol, key.peer) == service and key.port >= HIGH_PORT
            ]
            if alike:
                uses = [table.pop(key) for key in alike]
                joined = max(uses, key=lambda use: use.flows)
                joined.first = min(use.first for use in uses)
                joined.last = max(use.last for use in uses)
                joined.flows = sum(use.flows for use in uses)
                one = ProfileKey(service[0], service[1], EPHEMERAL, service[2])
                table[one] = joined
                self._rename(set(alike), one)

    def _rename(self, old: set[ProfileKey], new: ProfileKey) -> None:
        for key, use in self.keys.items():
            use.order.rename(old, new)
            if key == new:
                use.order.after.pop(new, None)

    @property
    def is_learned(self) -> bool:
        """Tell whether the profile is saturated, so that what is new deviates."""
        return self.phase is not Phase.OBSERVE

    def begin(
        self, key: ProfileKey, at: int, *, trusted: bool, count: int = 1, last: int = 0
    ) -> bool:
        """Note that a key is used so many times; tell whether it is new and deviates.

        `trusted` is false while nothing may be learned of the device.
        """
        self.until = max(self.until, at, last)
        self.changed = True
        use = self.keys.get(key)
        if use is not None:
            use.begin(at, count, last)
            return False
        if trusted and not self.is_learned:
            fresh = self._has_settled(kind_of(key))
            use = Use(at, at)
            use.begin(at, count, last)
            self._keep(key, use)
            return fresh
        waiting = self.waiting.get(key)
        fresh = waiting is None
        if waiting is None:
            if len(self.waiting) >= MAX_WAITING:
                del self.waiting[min(self.waiting, key=lambda each: self.waiting[each].last)]
                self.dropped += 1
            waiting = self.waiting[key] = Use(at, at)
        waiting.begin(at, count, last)
        if trusted and waiting.days >= REPEAT_DAYS:
            del self.waiting[key]
            self._keep(key, waiting)
        return fresh and self.is_learned

    def _keep(self, key: ProfileKey, use: Use) -> None:
        if len(self.keys) >= MAX_KEYS:
            del self.keys[min(self.keys, key=lambda each: self.keys[each].last)]
            self.dropped += 1
        self.keys[key] = use

    def put_name(self, address: str, name: str) -> None:
        """Note what a name server calls an address; kept beyond the name's time to live."""
        if self.names.get(address) != name or address in self.claims:
            self.version += 1
        self.claims.pop(address, None)
        _put(self.names, address, name)

    def put_claim(self, address: str, name: str) -> None:
        """Note what the device's own hello calls an address: it may say what it likes.

        Once it is fenced in, what it says opens nothing.
        """
        if address not in self.names and self.phase is not Phase.ENFORCE:
            self.version += self.claims.get(address) != name
            _put(self.claims, address, name)

    def name_of(self, address: str) -> str:
        """Return what an address is called; ''.

        A claim holds only where no name server told the device other addresses of that name.
        """
        name = self.names.get(address)
        if name is not None:
            return name
        claim = self.claims.get(address, "")
        return "" if claim in self.names.values() else claim

    def all_names(self) -> Iterator[tuple[str, str]]:
        """Yield addresses with what they are called."""
        yield from list(self.names.items())
        told = set(self.names.values())
        yield from [each for each in self.claims.items() if each[1] not in told]

    def _has_settled(self, kind: str) -> bool:
        """Tell whether no new keys of a kind are to be expected, though others may be.

        Who meets new names all his life may never have been asked from outside.
        """
        long_enough = self.observed_ns >= self.least_ns
        return bool(kind) and long_enough and self.expected_new(kind) < NEW_A_WEEK

    @property
    def observed_ns(self) -> int:
        """How long the device was observed: of the time since it came, the days when it was active.

        What it does most often tells those. Weeks in which it was off, or nobody looked, teach
        nothing.
        """
        days = max((use.days for use in self.keys.values()), default=0)
        return min(self.until - self.since, days * DAY_NS)

    def expected_new(self, kind: str = "") -> float:
        """Return how many new keys, or new ones of a kind, are to be expected in a week.

        By those that came in the later half of the observation: devices do most that they ever do
        in their first days, and rare things come later, if at all.
        """
        observed = self.observed_ns
        if observed <= 0:
            return math.inf
        half = self.until - (self.until - self.since) // 2
        fresh = sum(
            1
            for key, use in self.keys.items()
            if use.first > half and is_telling(key) and kind in {"", kind_of(key)}
        )
        return fresh * WEEK_NS / (observed / 2)

    def look(self, *, simple: bool = True) -> bool:
        """Forget what was not used for long; see whether it is saturated; tell if that changed.

        The profile of what is not `simple`, a phone or PC, is never complete.
        """
        for table in (self.keys, self.waiting):
            for key in [each for each, use in table.items() if self.until - use.last > UNUSED_NS]:
                del table[key]
        if simple and self.phase is Phase.OBSERVE and self.observed_ns >= self.least_ns:
            settled = self.expected_new() < NEW_A_WEEK or self.observed_ns > 8 * WEEK_NS
            if settled and self.keys:
                self.phase = Phase.PROPOSE
                return True
        return False

    def record(self) -> Profile:
        """Return the frozen record."""
        return Profile(
            self.device,
            self.since,
            self.until,
            self.phase,
            {key: use.record() for key, use in self.keys.items()},
            {key: use.record() for key, use in self.waiting.items()},
            {name: round(rate, 2) for name, rate in self.rates.items()},
            dict(self.names),
            dict(self.claims),
            self.dropped,
            self.renewed,
        )


def book_of(profile: Profile, least_ns: int) -> Book:
    """Return the mutable side of a record."""
    book = Book(profile.device, profile.since, least_ns, profile.until, profile.phase)
    book.keys = {key: use_of(use) for key, use in profile.keys.items()}
    book.waiting = {key: use_of(use) for key, use in profile.waiting.items()}
    book.rates = dict(profile.rates)
    book.names, book.claims = dict(profile.names), dict(profile.claims)
    book.dropped, book.renewed = profile.dropped, profile.renewed
    for key in book.keys:
        if key.port == EPHEMERAL:
            service = (key.way, key.protocol, key.peer)
            book.ports[service] = set(range(HIGH_PORT, HIGH_PORT + SEVERAL + 1))
        elif key.port >= HIGH_PORT:
            book.ports.setdefault((key.way, key.protocol, key.peer), set()).add(key.port)
    book.changed = False
    return book


def _put(names: dict[str, str], address: str, name: str) -> None:
    names.pop(address, None)
    names[address] = name
    if len(names) > MAX_NAMES:
        del names[next(iter(names))]


def is_telling(key: ProfileKey) -> bool:
    """Tell whether a key says something: pings and groups come and go with others at home."""
    return key.protocol not in {1, 2, 58} and not key.peer.startswith("group:")


def kind_of(key: ProfileKey) -> str:
    """Return what sort of thing a key is, where it is one that tells by itself; else ''."""
    if not is_telling(key):
        return ""
    if key.way is Way.IN:
        return "serves others" if key.peer == "internet" else "serves at home"
    if key.peer.startswith("device:"):
        return "asks a device"
    return "" if key.port in USUAL_PORTS or key.port == NO_PORT else "asks by another port"


def excesses(
    book: Book, counts: Mapping[str, float], *, trusted: bool
) -> Iterator[tuple[str, float, float]]:
    """Yield the rates of a minute that exceed what is usual: name, value, usual; learn the rest."""
    for name, value in counts.items():
        usual = book.rates.get(name, 0.0)
        least = LEAST_UP_DOWN if name == "up_down" else LEAST_RATE
        if book.is_learned and value > max(least, EXCESS * usual):
            yield name, value, usual
        elif trusted and value > usual:
            book.rates[name] = value
            book.changed = True
