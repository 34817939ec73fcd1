"""Follows what devices do, window by window, and tells what of it deviates from their profiles.

The core merges the flows of a window by device, service and peer. Such a use is looked at as soon
as it is known what the other end is called: the device's own look-ups and hellos say it, and are
remembered beyond their time to live.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from phage.devices.domainnames import service_name
from phage.devices.ends import Ends
from phage.devices.fleet import Fleet, knows_peer
from phage.devices.posing import Posers
from phage.devices.profilebook import (
    DAY_NS,
    EXCESS,
    FIRMWARE_OCTETS,
    LEAST_RATE,
    RENEWED_NS,
    Book,
    book_of,
    excesses,
    is_odd_hour,
    is_volume_excess,
)
from phage.devices.profilekeys import key_of
from phage.devices.rates import RateMeter
from phage.devices.used import WAYS, Used
from phage.records.address import format_address, format_mac
from phage.records.device import PERSONAL, Attribute
from phage.records.profile import NO_PORT, POSING, Deviation, DeviationKind, Phase, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phage.devices.entry import Entry
    from phage.devices.inventory import Inventory
    from phage.records.observation import Observation
    from phage.records.profile import Profile
    from phage.records.window import Window

MAX_WAITING_USES = 16_384
"""Uses that wait until it is known what the other end is called."""

PATIENCE_NS = 3_000_000_000
"""How long a use waits for a name: a hello comes within a round trip."""

MAX_KNOWN = 8192
"""Uses of which it is remembered what they are in a profile."""

MAX_BOOKS = 16_384
FORGOTTEN = 256
"""Profiles that go at once where there are too many: those of who was silent for longest."""

MOST_NEW = 16
"""New things of a device that are told of one window: a scan does thousands, and is one finding."""
MANY_NAMES = 40
"""A device that talks to more registered domains is used by a person, whatever it is."""

LOOK_NS = 600 * 1_000_000_000


class Profiler:
    """Makes profiles of the inventory's devices.

    Args:
        inventory: Who is who.
        least_ns: How long a device is observed at least before what is new deviates.
        distrusts: Tells whether an address is one that nothing may be learned of.

    Attributes:
        system_of: Returns the autonomous system of an address; 0 where that is not known.
    """

    def __init__(
        self,
        inventory: Inventory,
        least_ns: int = 3 * DAY_NS,
        distrusts: Callable[[str, str], bool] = lambda _address, _name: False,
    ) -> None:
        self.inventory = inventory
        self.distrusts = distrusts
        self.system_of: Callable[[str], int] = lambda _address: 0
        self.dropped = 0
        self._least_ns = least_ns
        self._books: dict[str, Book] = {}
        self._waiting: OrderedDict[tuple[object, ...], Used] = OrderedDict()
        self._known: OrderedDict[tuple[object, ...], Used] = OrderedDict()
        """What was used lately, by what the core tells it apart."""
        self._named: set[tuple[object, ...]] = set()
        """Devices with addresses that got a name in this window."""
        self._ends = Ends(inventory)
        self._posers = Posers(inventory)
        self._rates = RateMeter()
        self._fleet = Fleet(inventory.table, self._books)
        self._look_at = 0
        self._attacked: frozenset[str] = frozenset()
        self._new: Counter[str] = Counter()

    def load(self, profiles: Iterable[Profile]) -> None:
        """Take up what was stored."""
        for profile in profiles:
            self._books[profile.device] = book_of(profile, self._least_ns)

    def profile(self, device: str) -> Profile | None:
        """Return the profile of a device."""
        book = self._books.get(device)
        return book.record() if book is not None else None

    def set_phase(self, device: str, phase: Phase) -> None:
        """Set how far a device's profile is taken to be, as a person says."""
        book = self._books.get(device)
        if book is not None:
            book.phase, book.changed = phase, True

    def free(self, device: str) -> None:
        """Note that a profile is not enforced any more."""
        book = self._books.get(device)
        if book is not None and book.phase is Phase.ENFORCE:
            book.phase, book.changed = Phase.PROPOSE, True

    def allow(self, device: str, keys: Iterable[ProfileKey], at: int) -> None:
        """Take keys as normal for a device: a person or its maker says so."""
        book = self._books.setdefault(device, Book(device, at, self._least_ns, at))
        for key in keys:
            if key not in book.keys:
                book.begin(key, at, trusted=True)
                if key in book.waiting:
                    book.keys[key] = book.waiting.pop(key)

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the addresses that devices know by name."""
        for book in list(self._books.values()):
            yield from book.all_names()

    def forget(self, device: str) -> None:
        """Forget the profile of a device."""
        self._books.pop(device, None)

    def take_changes(self) -> list[Profile]:
        """Return the profiles that changed since the last call."""
        changed = [book for book in list(self._books.values()) if book.changed]
        for book in changed:
            book.changed = False
        return [book.record() for book in changed]

    def take(self, window: Window, attacked: frozenset[str] = frozenset()) -> list[Deviation]:
        """Take in a window; return what deviates. `attacked` are addresses that findings name."""
        self._attacked = attacked
        self._new.clear()
        found: list[Deviation] = []
        for observation in window.observations:
            if observation.kind == "dns" and observation.fields.get("response") is False:
                found += self._ask(observation)
            elif observation.kind in _NAMING:
                self._take_name(observation)
        found += self._take_uses(window)
        found += self._take_posers(window)
        found += self._take_hosts(window)
        if not 0 <= self._look_at - window.end <= LOOK_NS:
            self._look_at = window.end + LOOK_NS
            self._look()
        return found

    # --- names -----------------------------------------------------------------------------------

    def _take_name(self, observation: Observation) -> None:
        said = observation.fields
        if observation.kind == "dns":
            name, answers = said.get("query"), said.get("answer")
            if said.get("response") is not True or not isinstance(answers, tuple):
                return
            book = self._book_at(observation.dst_mac, observation.dst)
            for answer in answers:
                kind, _, address = answer.partition(" ")
                if kind in {"A", "AAAA"} and book is not None and isinstance(name, str):
                    book.put_name(address, name[:253])
                    self._named.add((book.device, address))
            return
        name = said.get("host") if observation.kind == "http" else said.get("sni")
        if not isinstance(name, str) or said.get("server") or "." not in name:
            return
        book = self._book_at(observation.src_mac, observation.src)
        if book is not None:
            book.put_claim(observation.dst, name.partition(":")[0][:253])
            self._named.add((book.device, observation.dst))

    def _ask(self, observation: Observation) -> Iterator[Deviation]:
        """Note what a device looks up: a name says more than the address of a resolver."""
        name = observation.fields.get("query")
        entry = self._entry(observation.src_mac, observation.src)
        if entry is None or not isinstance(name, str) or "." not in name:
            return
        if name.endswith((".arpa", ".local", ".lan", ".home")):
            return
        book = self._book(entry)
        asked = Used(
            book, observation.src_mac, observation.src, Way.OUT, 17, 53, observation.dst,
            "router", observation.time, observation.time,
        )  # fmt: skip
        asked.key = ProfileKey(Way.OUT, 17, 53, f"asks:{service_name(name[:253])}")
        asked.version = book.version
        yield from self._judge(asked)

    def _book_at(self, mac: str, ip: str) -> Book | None:
        entry = self._entry(mac, ip)
        return self._book(entry) if entry is not None else None

    # --- uses ------------------------------------------------------------------------------------

    def _take_uses(self, window: Window) -> Iterator[Deviation]:
        if self._ends.look():
            self._known.clear()
        for row in window.uses.tolist():
            used = self._used(row)
            if used is None:
                continue
            place = used.book.device, used.way, used.protocol, used.port, used.peer
            waiting = self._waiting.get(place) if used.key is None else None
            if waiting is not None:
                waiting.add(used)
                if _may_be_named(waiting):
                    continue
                used = self._waiting.pop(place)
            elif _may_be_named(used) and not used.book.name_of(used.peer):
                self._wait(place, used)
                continue
            yield from self._judge(used)
        yield from self._take_waiting(window.end)

    def _take_waiting(self, now: int) -> Iterator[Deviation]:
        """Judge what got a name meanwhile, and what waited for too long."""
        if self._named:
            named = [place for place in self._waiting if (place[0], place[4]) in self._named]
            self._named.clear()
            for place in named:
                yield from self._judge(self._waiting.pop(place))
        while self._waiting:
            place, used = next(iter(self._waiting.items()))
            if 0 <= now - used.first < PATIENCE_NS:
                return
            del self._waiting[place]
            yield from self._judge(used)

    def _wait(self, place: tuple[object, ...], used: Used) -> None:
        """Have a use wait until it is known what the other end is called."""
        self._waiting[place] = used
        if len(self._waiting) > MAX_WAITING_USES:
            self._waiting.popitem(last=False)
            self.dropped += 1

    def _take_posers(self, window: Window) -> Iterator[Deviation]:
        """Judge what neighbours sent with far addresses, whether or not they were answered."""
        for posed in self._posers.take(window):
            found = self._ends.find(posed.mac, posed.address)
            if found is None:
                continue
            entry, mac, ip = found
            book, peer = self._book(entry), format_address(posed.peer)
            used = Used(
                book, mac, ip, Way.IN, posed.protocol, NO_PORT, peer, "", posed.start, posed.start
            )
            peer = f"{POSING}:{format_mac(posed.poser)}"
            used.key = ProfileKey(Way.IN, posed.protocol, NO_PORT, peer)
            used.version = book.version
            yield from self._judge(used)

    def _used(self, row: tuple[Any, ...]) -> Used | None:
        """Return what a row tells, if its device has a profile."""
        (
            first, last, end, number, peer_number, address, peer_address, _, _, *octets,
            begun, ended, failed, port, sizes, squares, _, _, protocol, way, near,
        ) = row  # fmt: skip
        moved, largest = octets[:2], octets[2:]
        amounts = first, last, begun, end, ended, failed, moved, largest, sizes, squares
        place = number, address, peer_address, port, protocol, way, near
        known = self._known.get(place)
        if known is not None and known.key and self._books.get(known.book.device) is known.book:
            known.again(*amounts)
            return known
        found = self._ends.find(number, address)
        if found is None:
            return None
        entry, mac, ip = found
        peer = format_address(peer_address)
        role = self._role(format_mac(peer_number), peer) if near else ""
        used = Used(self._book(entry), mac, ip, WAYS[way & 1], protocol, port, peer, role, *amounts)
        self._known[place] = used
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return used

    def _judge(self, used: Used) -> Iterator[Deviation]:
        """Note that a device did something, and tell whether it deviates."""
        book = used.book
        if self._books.get(book.device) is not book:
            return
        key = used.key
        if key is None or used.version != book.version:
            key = used.key = self._key_of(used)
            used.version = book.version
        if used.begun:
            yield from self._begin(used, key)
        if used.ended:
            yield from self._settle(used, key)

    def _begin(self, used: Used, key: ProfileKey) -> Iterator[Deviation]:
        book = used.book
        known = book.keys.get(key)
        odd = known is not None and book.is_learned and is_odd_hour(known, book, used.first)
        trusted = not self._attacked & {used.mac, used.ip} and (
            known is not None or not self.distrusts(used.peer, book.name_of(used.peer))
        )
        if book.begin(key, used.first, trusted=trusted, count=used.begun, last=used.last):
            yield from self._novelty(book, used)
            return
        use = book.keys.get(key)
        if use is None:
            return
        if odd:
            yield self._deviation(used, DeviationKind.HOUR, used.first)
        usual = max(use.most, 1)
        if book.is_learned and use.in_minute > max(LEAST_RATE, EXCESS * usual):
            if use.odd_minute != use.minute:
                yield self._deviation(used, DeviationKind.RATE, used.first, use.in_minute, usual)
            use.odd_minute = use.minute
        elif not trusted:
            use.odd_minute = use.minute

    def _key_of(self, used: Used) -> ProfileKey:
        """Return the key of a use; what was learned of a network before its system holds."""
        book, name = used.book, used.book.name_of(used.peer)
        what = used.way, used.protocol, used.port, used.peer, name, used.role
        key = key_of(*what)
        if key.peer.startswith("net:") and key not in book.keys:
            key = key_of(*what, self.system_of(used.peer))
        return book.generalised(key)

    def _novelty(self, book: Book, used: Used) -> Iterator[Deviation]:
        """Tell of something new; of what people use, only what was complete before they did."""
        found = self._deviation(used, DeviationKind.NEW, used.first)
        if not (found.simple or book.is_learned):
            return
        self._new[book.device] += 1
        if self._new[book.device] <= MOST_NEW:
            yield found
        else:
            self.dropped += 1

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
            book.renewed = used.end
        if excess and book.is_learned and sent > received:
            usual = round(2**use.volume)
            yield self._deviation(used, DeviationKind.VOLUME, used.end, sent + received, usual)
        if not excess or not book.is_learned:
            use.end(used.octets, used.ended, used.sizes, used.squares)

    # --- rates of the whole device ---------------------------------------------------------------

    def _take_hosts(self, window: Window) -> Iterator[Deviation]:
        """Judge the rates of whole devices, once a minute."""
        for mac, ip, sent in self._rates.take(window):
            entry = self._entry(mac, ip)
            if entry is None:
                continue
            trusted = not self._attacked & {mac, ip}
            for name, value, usual in excesses(self._book(entry), sent, trusted=trusted):
                yield self._excess(entry, mac, ip, window.start, (name, value, usual))

    # --- who is who ------------------------------------------------------------------------------

    def _entry(self, mac: str, ip: str) -> Entry | None:
        return self._ends.entry(mac, ip)

    def _role(self, mac: str, ip: str) -> str:
        if mac in self.inventory.routers:
            return "router"
        entry = self._entry(mac, ip)
        if entry is None or self._is_personal(entry):
            return "home"
        return f"device:{entry.id}"

    def _book(self, entry: Entry) -> Book:
        book = self._books.get(entry.id)
        if book is None:
            if len(self._books) >= MAX_BOOKS:
                # Many at once: whoever makes addresses up must not have all looked at for each.
                for each in nsmallest(FORGOTTEN, self._books, lambda id_: self._books[id_].until):
                    self.forget(each)
                    self.dropped += 1
            book = self._books[entry.id] = Book(
                entry.id, entry.first_seen, self._least_ns, entry.first_seen
            )
        return book

    def _is_personal(self, entry: Entry) -> bool:
        guess = entry.guesses(entry.last_seen).get(Attribute.CATEGORY)
        return guess is not None and guess.value in PERSONAL

    def is_simple(self, entry: Entry) -> bool:
        """Tell whether a device is a thing that does few things: it may be fenced in."""
        book = self._books.get(entry.id)
        names = {key.peer for key in book.keys if key.peer.startswith("name:")} if book else ()
        return not self._is_personal(entry) and len(names) <= MANY_NAMES

    # --- what is told ----------------------------------------------------------------------------

    def _deviation(
        self, used: Used, kind: DeviationKind, at: int, value: float = 0.0, usual: float = 0.0
    ) -> Deviation:
        book, entry = used.book, self.inventory.table.get(used.book.device)
        key = used.key
        alike, fleet = False, False
        if entry is not None and key is not None and kind is DeviationKind.NEW:
            alike, fleet = self._fleet.compare(entry, key, at)
        same = key is not None and knows_peer(book, key)
        return Deviation(
            book.device, used.mac, used.ip, used.peer, at, kind, key, "", value, usual,
            simple=entry is not None and self.is_simple(entry),
            peers_alike=alike,
            fleet=fleet,
            renewed=0 < at - book.renewed <= RENEWED_NS if book.renewed else False,
            known_peer=same,
        )  # fmt: skip

    def _excess(
        self, entry: Entry, mac: str, ip: str, at: int, rate: tuple[str, float, float]
    ) -> Deviation:
        name, value, usual = rate
        return Deviation(
            entry.id, mac, ip, "", at, DeviationKind.RATE, None, name, value, usual,
            simple=self.is_simple(entry),
        )  # fmt: skip

    def _look(self) -> None:
        for id_, book in list(self._books.items()):
            entry = self.inventory.table.get(id_)
            if entry is None:
                self.forget(id_)
                continue
            if book.look(simple=self.is_simple(entry)):
                book.changed = True
                detail = f"does hardly anything new: {len(book.keys)} things are normal for it"
                self.inventory.table.tell(id_, book.until, "learned", detail)


def _may_be_named(used: Used) -> bool:
    """Tell whether the device's hello may yet say what the other end is called."""
    return used.key is None and used.way is Way.OUT and not used.role and used.begun > used.ended


_NAMING = frozenset({"dns", "tls", "quic", "http"})
