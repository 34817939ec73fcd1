"""The table of devices: who has which address and mark, and what is yet to be stored."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from heapq import nsmallest
from typing import TYPE_CHECKING

from phage.devices.entry import Entry, entry_of
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.device import DeviceEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, ValuesView

    from phage.records.device import Device, Mark

MAX_DEVICES = 65_536
"""Devices that are remembered; the one not seen for longest, and without a person's word, goes."""

MAX_EVENTS = 10_000
"""Events that wait to be stored."""

MAX_OWNERS = 262_144
"""Marks that are followed: some for each device."""


class DeviceError(PhageError):
    """A device cannot be changed so, or there is no such one; says why."""


@frozen
class Changes:
    """What is to be stored: devices that changed, those only seen again, ids that went, events."""

    changed: tuple[Device, ...]
    seen: tuple[Device, ...]
    gone: tuple[str, ...]
    events: tuple[DeviceEvent, ...]


class DeviceTable:
    """Devices with their indexes. `lock` guards it all; whoever changes an entry holds it."""

    def __init__(self, most: int = MAX_DEVICES) -> None:
        self.lock = threading.RLock()
        self.now = 0
        self.dropped = 0
        self.generation = 0
        """Changes whenever an address or a device goes to another."""
        self._most = most
        self._entries: dict[str, Entry] = {}
        self._by_mac: dict[str, str] = {}
        self._by_ip: dict[str, str] = {}
        self._owners: defaultdict[Mark, set[str]] = defaultdict(set)
        self._changed: dict[str, None] = {}
        self._seen: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._events: deque[DeviceEvent] = deque(maxlen=MAX_EVENTS)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> ValuesView[Entry]:
        """Return all entries."""
        return self._entries.values()

    def get(self, id_: str) -> Entry | None:
        """Return an entry by id."""
        return self._entries.get(id_)

    def with_mac(self, mac: str) -> Entry | None:
        """Return the entry with a MAC address."""
        id_ = self._by_mac.get(mac)
        return self._entries[id_] if id_ is not None else None

    def with_address(self, ip: str) -> Entry | None:
        """Return the entry that had an IP address last."""
        id_ = self._by_ip.get(ip)
        return self._entries[id_] if id_ is not None else None

    def owners(self, mark: Mark) -> set[str]:
        """Return the ids of the devices that have a mark."""
        return self._owners.get(mark, set())

    def named(self, name: str) -> Entry:
        """Return the entry that a person means: by id, MAC, address, or name.

        Raises DeviceError.
        """
        lower = name.strip().casefold()
        lower = lower.replace("-", ":") if lower.count("-") == 5 else lower
        if not lower:  # Else whoever has no name yet would be meant.
            message = "say which device: by id, MAC address, address or name"
            raise DeviceError(message)
        entry = self._entries.get(lower) or self.with_mac(lower) or self.with_address(lower)
        if entry is not None:
            return entry
        given = [each for each in self.entries() if each.name.casefold() == lower]
        for found in (given, [each for each in self.entries() if _shown(each) == lower]):
            if len(found) == 1:
                return found[0]
            if found:
                message = f"several devices are {name!r}: {', '.join(each.id for each in found)}"
                raise DeviceError(message)
        message = f"no device is {name!r}; `phage devices list` tells their ids"
        raise DeviceError(message)

    def load(self, devices: Iterable[Device]) -> None:
        """Take up what was stored."""
        with self.lock:
            for device in devices:
                self.add(entry_of(device))
                self._changed.pop(device.id, None)

    def add(self, entry: Entry) -> Entry:
        """Add an entry; where there is no room the stalest goes."""
        if len(self._entries) >= self._most:
            self._drop_stalest()
        self._entries[entry.id] = entry
        self._gone.pop(entry.id, None)
        self.index(entry)
        self.mark_changed(entry)
        return entry

    def index(self, entry: Entry) -> None:
        """Make an entry known by all of its addresses and marks."""
        self.generation += 1
        for mac in entry.macs:
            self._by_mac[mac] = entry.id
        for address, span in entry.addresses.items():
            owner = self.with_address(address)
            known = owner.addresses.get(address) if owner is not None else None
            if known is None or known.last <= span.last:
                self._by_ip[address] = entry.id
        for mark in entry.marks:
            self.own(mark, entry)

    def bind_mac(self, entry: Entry, mac: str) -> None:
        """Note that a MAC address is an entry's."""
        self.generation += 1
        self._by_mac[mac] = entry.id

    def bind_address(self, entry: Entry, ip: str) -> None:
        """Note that an IP address is an entry's now."""
        self.generation += 1
        self._by_ip[ip] = entry.id

    def own(self, mark: Mark, entry: Entry) -> None:
        """Note that an entry has a mark."""
        if mark in self._owners or len(self._owners) < MAX_OWNERS:
            self._owners[mark].add(entry.id)
        else:
            self.dropped += 1

    def remove(self, entry: Entry) -> None:
        """Take an entry out."""
        self.generation += 1
        del self._entries[entry.id]
        for mac in entry.macs:
            if self._by_mac.get(mac) == entry.id:
                del self._by_mac[mac]
        for address in entry.addresses:
            if self._by_ip.get(address) == entry.id:
                del self._by_ip[address]
        for mark in entry.marks:
            self._owners[mark].discard(entry.id)
            if not self._owners[mark]:
                del self._owners[mark]
        self._changed.pop(entry.id, None)
        self._seen.pop(entry.id, None)
        self._gone[entry.id] = None

    def mark_changed(self, entry: Entry) -> None:
        """Note that more of an entry changed than when it was seen."""
        entry.changed()
        self._changed[entry.id] = None

    def mark_seen(self, entry: Entry) -> None:
        """Note that an entry was seen again."""
        self._seen[entry.id] = None

    def tell(self, device: str, at: int, what: str, detail: str = "", by: str = "phage") -> None:
        """Note an event."""
        if len(self._events) == MAX_EVENTS:
            self.dropped += 1
        self._events.append(DeviceEvent(device, at, what, detail, by))

    def take_changes(self) -> Changes:
        """Return what is to be stored since the last call."""
        with self.lock:
            seen = [id_ for id_ in self._seen if id_ not in self._changed]
            changes = Changes(
                tuple(self._entries[id_].record() for id_ in self._changed),
                tuple(self._entries[id_].record() for id_ in seen),
                tuple(self._gone),
                tuple(self._events),
            )
            self._changed, self._seen, self._gone = {}, {}, {}
            self._events.clear()
            return changes

    def keep_changes(self, changes: Changes) -> None:
        """Take back changes that could not be stored; of events, as many as there is room for."""
        with self.lock:
            for device in (*changes.changed, *changes.seen):
                if device.id in self._entries:
                    self._changed[device.id] = None
            for id_ in changes.gone:
                if id_ not in self._entries:
                    self._gone[id_] = None
            room = MAX_EVENTS - len(self._events)
            self.dropped += max(0, len(changes.events) - room)
            self._events.extendleft(reversed(changes.events[-room:] if room else ()))

    def part(self, entry: Entry, mac: str, why: str, by: str = "phage") -> Entry:
        """Make a device of its own of a MAC address; return it. They are never joined again.

        An id is one of the device's own addresses: when that one is taken away, the rest becomes
        the other device.
        """
        going = [mac] if mac != entry.id else [other for other in entry.macs if other != mac]
        macs = {each: entry.macs.pop(each) for each in going}
        first = min(macs, key=lambda each: (macs[each].first, each))
        other = Entry(
            first,
            macs=macs,
            first_seen=macs[first].first,
            last_seen=max(span.last for span in macs.values()),
            present=entry.present,
            joins={each: join for each, join in entry.joins.items() if each in macs},
        )
        other.joins.pop(first, None)
        entry.joins = {each: join for each, join in entry.joins.items() if each not in macs}
        self.add(other)
        for one, two in ((entry, other), (other, entry)):
            one.keep_apart(two.macs)
            self.mark_changed(one)
            self.tell(one.id, self.now, "split", f"from {two.id}: {why}", by)
        return other if mac != entry.id else entry

    def merge(self, entry: Entry, other: Entry) -> None:
        """Make one device of two; the first keeps its id."""
        self.remove(other)
        entry.absorb(other)
        for mac in other.macs:
            entry.apart.pop(mac, None)
        self.index(entry)
        self.mark_changed(entry)

    def _drop_stalest(self) -> None:
        stalest = nsmallest(
            # Some at once: whoever makes addresses up must not have all looked at for each.
            max(1, self._most // 256),
            self.entries(),
            key=lambda each: (bool(each.name or each.labels or each.given), each.last_seen),
        )
        for each in stalest:
            self.remove(each)
            self.dropped += 1


def _shown(entry: Entry) -> str:
    return entry.record().shown.casefold()
