"""Judges what a device does by its profile: new, far more, at an odd hour, out of order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from phage.devices.fleet import Fleet, knows_peer
from phage.devices.keyuse import is_odd_hour, is_volume_excess
from phage.devices.profilebook import EXCESS, FIRMWARE_OCTETS, LEAST_RATE, RENEWED_NS, excesses
from phage.devices.trains import Trains
from phage.records.device import PERSONAL, Attribute
from phage.records.profile import Deviation, DeviationKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from phage.devices.books import Books
    from phage.devices.entry import Entry
    from phage.devices.profilebook import Book
    from phage.devices.table import DeviceTable
    from phage.devices.used import Used
    from phage.records.profile import ProfileKey

MOST_NEW = 16
"""New things of a device that are told of one window: a scan does thousands, and is one finding."""
MANY_NAMES = 40
"""A device that talks to more registered domains is used by a person, whatever it is."""


class Judge:
    """Learns uses into their profiles, and tells which of them deviate.

    Args:
        table: Who is who.
        books: Profiles by device.
        distrusts: Tells whether an address is one that nothing may be learned of.

    Attributes:
        attacked: Addresses that findings name: nothing is learned of them.
        dropped: Deviations that were not told, and trains that nobody judged.
    """

    def __init__(
        self, table: DeviceTable, books: Books, distrusts: Callable[[str, str], bool]
    ) -> None:
        self.attacked: frozenset[str] = frozenset()
        self.distrusts = distrusts
        self._table = table
        self._books = books
        self._fleet = Fleet(table, books.by_device)
        self._trains = Trains()
        self._new: Counter[str] = Counter()
        self._untold = 0

    @property
    def dropped(self) -> int:
        """Return how many deviations were not told, and trains not judged."""
        return self._untold + self._trains.dropped

    def open(self, attacked: frozenset[str], start: int) -> None:
        """Begin with a window."""
        self.attacked = attacked
        self._new.clear()
        self._trains.open(start)

    def use(self, used: Used, key: ProfileKey) -> Iterator[Deviation]:
        """Note that a device did something, and tell whether it deviates."""
        if used.begun:
            yield from self._begin(used, key)
        if used.ended:
            yield from self._settle(used, key)

    def close(self, now: int) -> Iterator[Deviation]:
        """End with a window: tell what came without what always comes before."""
        for used, at, order in self._trains.take(now):
            if self._books.has(used.book):
                yield self._deviation(used, DeviationKind.ORDER, at, after=order)

    def rates(
        self, entry: Entry, mac: str, ip: str, at: int, sent: Mapping[str, float]
    ) -> Iterator[Deviation]:
        """Note what a device sent in a minute, and tell which rates deviate."""
        trusted = not self.attacked & {mac, ip}
        for name, value, usual in excesses(self._books.of(entry), sent, trusted=trusted):
            yield Deviation(
                entry.id, mac, ip, "", at, DeviationKind.RATE, None, name, value, usual,
                simple=self.is_simple(entry),
            )  # fmt: skip

    def is_simple(self, entry: Entry) -> bool:
        """Tell whether a device is a thing that does few things: it may be fenced in."""
        book = self._books.by_device.get(entry.id)
        names = {key.peer for key in book.keys if key.peer.startswith("name:")} if book else ()
        return not is_personal(entry) and len(names) <= MANY_NAMES

    def _begin(self, used: Used, key: ProfileKey) -> Iterator[Deviation]:
        book = used.book
        known = book.keys.get(key)
        observed = book.until - book.since
        odd = known is not None and book.is_learned and is_odd_hour(known, observed, used.first)
        trusted = not self.attacked & {used.mac, used.ip} and (
            known is not None or not self.distrusts(used.peer, book.name_of(used.peer))
        )
        if book.begin(key, used.first, trusted=trusted, count=used.begun, last=used.last):
            yield from self._novelty(book, used)
            return
        use = book.keys.get(key)
        if use is None:
            return
        if use.order.begun == used.first:
            self._trains.begin(used, key, trusted=trusted)
        if odd:
            yield self._deviation(used, DeviationKind.HOUR, used.first)
        usual = max(use.most, 1)
        if book.is_learned and use.in_minute > max(LEAST_RATE, EXCESS * usual):
            if use.odd_minute != use.minute:
                yield self._deviation(used, DeviationKind.RATE, used.first, use.in_minute, usual)
            use.odd_minute = use.minute
        elif not trusted:
            use.odd_minute = use.minute

    def _novelty(self, book: Book, used: Used) -> Iterator[Deviation]:
        """Tell of something new; of what people use, only what was complete before they did."""
        found = self._deviation(used, DeviationKind.NEW, used.first)
        if not (found.simple or book.is_learned):
            return
        self._new[book.device] += 1
        if self._new[book.device] <= MOST_NEW:
            yield found
        else:
            self._untold += 1

    def _settle(self, used: Used, key: ProfileKey) -> Iterator[Deviation]:
        """Note how much flows moved that ended, and tell whether that deviates."""
        book = used.book
        use = book.keys.get(key)
        if use is None:
            return
        use.failed += used.failed
        sent, received = used.largest
        excess = is_volume_excess(use, sent + received)
        if received >= FIRMWARE_OCTETS and received > 8 * 2**use.volume and not used.role:
            self._renew(book, used)
        if excess and book.is_learned and sent > received:
            usual = round(2**use.volume)
            yield self._deviation(used, DeviationKind.VOLUME, used.end, sent + received, usual)
        if not excess or not book.is_learned:
            use.end(used.octets, used.ended, used.sizes, used.squares)

    def _renew(self, book: Book, used: Used) -> None:
        """Note that a device fetched what may be new firmware."""
        if used.end - book.renewed > RENEWED_NS:
            megabytes = used.largest[1] / 1e6
            peer = book.name_of(used.peer) or used.peer
            detail = f"{megabytes:,.1f} MB from {peer}: new firmware, perhaps"
            self._table.tell(book.device, used.end, "renewed", detail)
        book.renewed = used.end

    def _deviation(
        self,
        used: Used,
        kind: DeviationKind,
        at: int,
        value: float = 0.0,
        usual: float = 0.0,
        after: tuple[ProfileKey, float] | None = None,
    ) -> Deviation:
        book, entry = used.book, self._table.get(used.book.device)
        key = used.key
        alike, fleet = False, False
        if entry is not None and key is not None and kind is DeviationKind.NEW:
            alike, fleet = self._fleet.compare(entry, key, at)
        missed, share = after or (None, 0.0)
        return Deviation(
            book.device, used.mac, used.ip, used.peer, at, kind, key, "", value, usual,
            simple=entry is not None and self.is_simple(entry),
            peers_alike=alike,
            fleet=fleet,
            renewed=_is_renewed(book, entry, at),
            known_peer=key is not None and knows_peer(book, key),
            after=missed,
            share=share,
        )  # fmt: skip


def _is_renewed(book: Book, entry: Entry | None, at: int) -> bool:
    """Tell whether a device got new firmware within a day before a time."""
    times = (book.renewed, entry.renewed if entry is not None else 0)
    return any(0 <= at - renewed <= RENEWED_NS for renewed in times if renewed)


def is_personal(entry: Entry) -> bool:
    """Tell whether a device is one that a person uses: a phone, a PC."""
    guess = entry.guesses(entry.last_seen).get(Attribute.CATEGORY)
    return guess is not None and guess.value in PERSONAL
