"""The profiles of all devices: kept by device, bounded, loaded and stored."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from phage.devices.keyuse import DAY_NS
from phage.devices.profilebook import Book, book_of
from phage.records.profile import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.devices.entry import Entry
    from phage.records.profile import Profile, ProfileKey

MAX_BOOKS = 16_384
FORGOTTEN = 256
"""Profiles that go at once where there are too many: those of who was silent for longest."""


class Books:
    """Keeps the profile of each device.

    Args:
        least_ns: How long a device is observed at least before what is new deviates.

    Attributes:
        by_device: Profiles by the device's id; not to be changed by others.
        dropped: Profiles that did not fit.
    """

    def __init__(self, least_ns: int = 3 * DAY_NS) -> None:
        self.by_device: dict[str, Book] = {}
        self.dropped = 0
        self._least_ns = least_ns

    def load(self, profiles: Iterable[Profile]) -> None:
        """Take up what was stored."""
        for profile in profiles:
            self.by_device[profile.device] = book_of(profile, self._least_ns)

    def of(self, entry: Entry) -> Book:
        """Return the profile of a device, a new one where it has none."""
        book = self.by_device.get(entry.id)
        if book is None:
            if len(self.by_device) >= MAX_BOOKS:
                # Many at once: whoever makes addresses up must not have all looked at for each.
                for each in nsmallest(FORGOTTEN, self.by_device, self._heard_of):
                    self.forget(each)
                    self.dropped += 1
            book = self.by_device[entry.id] = Book(
                entry.id, entry.first_seen, self._least_ns, entry.first_seen
            )
        return book

    def has(self, book: Book) -> bool:
        """Tell whether a profile is still its device's: it may have been forgotten."""
        return self.by_device.get(book.device) is book

    def _heard_of(self, device: str) -> int:
        return self.by_device[device].until

    def profile(self, device: str) -> Profile | None:
        """Return the profile of a device as a record."""
        book = self.by_device.get(device)
        return book.record() if book is not None else None

    def set_phase(self, device: str, phase: Phase) -> None:
        """Set how far a device's profile is taken to be, as a person says."""
        book = self.by_device.get(device)
        if book is not None:
            book.phase, book.changed = phase, True

    def free(self, device: str) -> None:
        """Note that a profile is not enforced any more."""
        book = self.by_device.get(device)
        if book is not None and book.phase is Phase.ENFORCE:
            book.phase, book.changed = Phase.PROPOSE, True

    def allow(self, device: str, keys: Iterable[ProfileKey], at: int) -> None:
        """Take keys as normal for a device: a person or its maker says so."""
        book = self.by_device.setdefault(device, Book(device, at, self._least_ns, at))
        for key in keys:
            if key not in book.keys:
                book.begin(key, at, trusted=True)
                if key in book.waiting:
                    book.keys[key] = book.waiting.pop(key)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the addresses that devices know by name."""
        for book in list(self.by_device.values()):
            yield from book.all_names()

    def forget(self, device: str) -> None:
        """Forget the profile of a device."""
        self.by_device.pop(device, None)

    def take_changes(self) -> list[Profile]:
        """Return the profiles that changed since the last call."""
        changed = [book for book in list(self.by_device.values()) if book.changed]
        for book in changed:
            book.changed = False
        return [book.record() for book in changed]
