"""Bounded tables that detectors keep their state in; each counts what it dropped."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, KeysView
from hashlib import blake2b
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def keep(things: list[V], thing: V, most: int) -> None:
    """Add a thing to a list of the latest `most`.

    Of most hosts there is never one: an empty list takes a tenth of what a deque does.
    """
    things.append(thing)
    if len(things) > most:
        del things[0]


class Recent(Generic[K, V]):
    """A table of the most recently used entries, at most `capacity` of them."""

    __slots__ = ("_entries", "_forget", "capacity", "dropped")

    def __init__(self, capacity: int, forget: Callable[[V], None] | None = None) -> None:
        self.capacity = capacity
        self.dropped = 0
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._forget = forget

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def keys(self) -> KeysView[K]:
        """Return the keys, the least recently used first."""
        return self._entries.keys()

    def values(self) -> Iterable[V]:
        """Return the values, the least recently used first."""
        return self._entries.values()

    def get(self, key: K) -> V | None:
        """Return an entry without counting it as used."""
        return self._entries.get(key)

    def use(self, key: K) -> V | None:
        """Return an entry and count it as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: K, value: V) -> V:
        """Store an entry as the most recent one; the oldest goes when there are too many."""
        entries = self._entries
        if key in entries:
            entries.move_to_end(key)
        entries[key] = value
        if len(entries) > self.capacity:
            _, old = entries.popitem(last=False)
            self.dropped += 1
            if self._forget is not None:
                self._forget(old)
        return value

    def pop(self, key: K) -> V | None:
        """Take an entry out; it does not count as dropped."""
        return self._entries.pop(key, None)

    def oldest(self) -> tuple[K, V] | None:
        """Return the entry that was not used for the longest time."""
        for item in self._entries.items():
            return item
        return None

    def drop_oldest(self) -> V | None:
        """Drop the entry that was not used for the longest time."""
        if not self._entries:
            return None
        self.dropped += 1
        return self._entries.popitem(last=False)[1]

    def items(self) -> list[tuple[K, V]]:
        """Return the entries, oldest first."""
        return list(self._entries.items())


class Distinct(Generic[K]):
    """Distinct things seen within a time, at most `capacity`; the oldest goes first.

    A thing seen again keeps its first time unless it is refreshed.
    """

    __slots__ = ("capacity", "dropped", "times")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.dropped = 0
        self.times: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self.times)

    def __contains__(self, thing: K) -> bool:
        return thing in self.times

    def __iter__(self) -> Iterator[K]:
        return iter(self.times)

    def add(self, thing: K, time: int) -> bool:
        """Add a thing; tell whether it is new."""
        times = self.times
        if thing in times:
            return False
        times[thing] = time
        if len(times) > self.capacity:
            del times[next(iter(times))]
            self.dropped += 1
        return True

    def refresh(self, thing: K, time: int) -> bool:
        """Add a thing or set its time anew; tell whether it is new."""
        is_new = self.times.pop(thing, None) is None
        self.add(thing, time)
        return is_new

    def discard(self, thing: K) -> bool:
        """Take a thing out; tell whether it was there."""
        return self.times.pop(thing, None) is not None

    def expire(self, before: int) -> None:
        """Forget what is older."""
        times = self.times
        while times:
            thing = next(iter(times))
            if times[thing] >= before:
                return
            del times[thing]

    def since(self, time: int) -> int:
        """Return how many are not older than this."""
        return sum(1 for seen in self.times.values() if seen >= time)


class Unlisted:
    """Counts the distinct things for which a list had no room: up to 512 exactly, then about.

    By the smallest hashes: where the 512th of many lies tells how many there are, within some
    percent (Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002).
    """

    __slots__ = ("_least",)

    KEPT = 512

    def __init__(self) -> None:
        self._least: list[int] = []

    def add(self, thing: str) -> None:
        """Count a thing, if it was not yet."""
        number = int.from_bytes(blake2b(thing.encode(), digest_size=8).digest(), "big")
        place = bisect_left(self._least, number)
        if place < self.KEPT and self._least[place : place + 1] != [number]:
            self._least.insert(place, number)
            del self._least[self.KEPT :]

    @property
    def total(self) -> int:
        """How many there were."""
        kept = self._least
        return len(kept) if len(kept) < self.KEPT else (self.KEPT - 1 << 64) // kept[-1]


class Lately(Generic[K]):
    """Things noted within one to two periods; at most `capacity`, what comes then is not noted.

    For work that need not be done again so soon: what is forgotten is done once more.
    """

    __slots__ = ("_turn", "capacity", "noted", "period")

    def __init__(self, period: int, capacity: int) -> None:
        self.period = period
        self.capacity = capacity
        self.noted: dict[K, int] = {}
        self._turn = 0

    def add(self, thing: K) -> None:
        """Note a thing."""
        if len(self.noted) < self.capacity:
            self.noted[thing] = self._turn

    def pass_time(self, now: int) -> None:
        """Forget what was noted before the last period."""
        turn = now // self.period
        if turn != self._turn:
            self._turn = turn
            self.noted = {thing: at for thing, at in self.noted.items() if at >= turn - 1}


class Tally:
    """Counts by the minute, over the last hour."""

    __slots__ = ("_minutes",)

    MINUTE = 60_000_000_000

    def __init__(self) -> None:
        self._minutes: dict[int, int] = {}

    def add(self, time: int, count: int = 1) -> None:
        """Count something at a time."""
        minute = time // self.MINUTE
        self._minutes[minute] = self._minutes.get(minute, 0) + count
        if len(self._minutes) > 64:
            del self._minutes[min(self._minutes)]

    def within(self, time: int, minutes: int) -> int:
        """Return how many were counted in the last minutes, the running one included."""
        since = time // self.MINUTE - minutes
        return sum(count for minute, count in self._minutes.items() if minute > since)


class Usual:
    """What one host usually does: the largest count of a minute, forgotten over days.

    Minutes in which the host was under suspicion are not to be added. `highest` loses a fifth
    each day, so that one busy minute does not excuse a host for ever.
    """

    __slots__ = ("_count", "_minute", "first", "highest")

    MINUTE = 60_000_000_000
    DAY = 86_400_000_000_000
    KEPT_A_DAY = 0.8
    SETTLED = 21_600_000_000_000

    def __init__(self, time: int) -> None:
        self.first = time
        self.highest = 0.0
        self._minute = time // self.MINUTE
        self._count = 0

    def add(self, time: int, count: int = 1) -> None:
        """Count something in the minute of a time."""
        minute = time // self.MINUTE
        if minute != self._minute:
            self._turn(minute)
        self._count += count

    def _turn(self, minute: int) -> None:
        days = max(0, minute - self._minute) * self.MINUTE / self.DAY
        self.highest = max(self.highest * self.KEPT_A_DAY ** min(days, 100.0), float(self._count))
        self._minute = minute
        self._count = 0

    def habit(self, time: int) -> float:
        """Return the busiest minute of a host that was watched for some hours; 0 of any other.

        What somebody began lately is in question, and no excuse for itself.
        """
        return self.highest if time - self.first >= self.SETTLED else 0.0

    def forgive(self) -> None:
        """Leave the running minute out of what is usual."""
        self._count = 0
