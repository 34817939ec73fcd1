"""What others of a device's kind do: something new is less odd where they do it as well."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from phage.devices.keyuse import DAY_NS
from phage.records.device import Attribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.devices.entry import Entry
    from phage.devices.profilebook import Book
    from phage.devices.table import DeviceTable
    from phage.records.profile import ProfileKey

MAX_TOLD = 4096
"""New keys that are remembered, to see whether several devices of a kind began them together."""


class Fleet:
    """Compares devices with others of their kind.

    Args:
        table: Who is who.
        books: Profiles by device, which somebody else keeps.
    """

    def __init__(self, table: DeviceTable, books: Mapping[str, Book]) -> None:
        self._table = table
        self._books = books
        self._told: OrderedDict[tuple[str, ProfileKey], dict[str, int]] = OrderedDict()

    def compare(self, entry: Entry, key: ProfileKey, at: int) -> tuple[bool, bool]:
        """Tell whether others of a device's kind do the same, and whether they began together."""
        kind = kind_of(entry)
        if not kind:
            return False, False
        alike = False
        for id_, book in self._books.items():
            other = self._table.get(id_)
            if other is not None and other is not entry and kind_of(other) == kind:
                alike = alike or key in book.keys
        began = self._told.setdefault((kind, key), {})
        began[entry.id] = at
        self._told.move_to_end((kind, key))
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        return alike, sum(1 for each in began.values() if abs(at - each) <= DAY_NS) > 1


def knows_peer(book: Book, key: ProfileKey) -> bool:
    """Tell whether a device has to do with a peer already, or has asked for it: that was told."""
    peers = {key.peer, f"asks:{key.peer.removeprefix('name:')}"}
    if key.peer.startswith("asks:"):
        peers.add(f"name:{key.peer.removeprefix('asks:')}")
    return any(
        other.peer in peers and other.way is key.way and other != key
        for table in (book.keys, book.waiting)
        for other in table
    )


def kind_of(entry: Entry) -> str:
    """Return by what a device is alike to others: its kind, else its product; ''."""
    guesses = entry.guesses(entry.last_seen)
    for attribute in (Attribute.KIND, Attribute.PRODUCT):
        guess = guesses.get(attribute)
        if guess is not None and guess.value:
            return f"{attribute}:{guess.value}"
    return ""
