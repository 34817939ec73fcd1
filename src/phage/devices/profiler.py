"""Follows what devices do, window by window, and tells what of it deviates from their profiles.

A flow is looked at when it begins, or as soon as it is known what the other end is called: the
device's own look-ups and hellos say it, and are remembered beyond their time to live.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.devices.domainnames import service_name
from phage.devices.fleet import Fleet, knows_peer
from phage.devices.openflows import TCP, OpenFlow, is_answered, was_open
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
from phage.records.address import format_address, format_mac
from phage.records.columns import Event
from phage.records.device import PERSONAL, Attribute
from phage.records.profile import Deviation, DeviationKind, Phase, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phage.devices.entry import Entry
    from phage.devices.inventory import Inventory
    from phage.records.observation import Observation
    from phage.records.profile import Profile
    from phage.records.window import Columns, Window

MAX_OPEN = 65_536
"""Flows that are followed until their end."""

PATIENCE_NS = 3_000_000_000
"""How long a flow waits for its name: a hello comes within a round trip."""

MAX_BOOKS = 16_384
FORGOTTEN = 256
"""Profiles that go at once where there are too many: those of who was silent for longest."""

MOST_NEW = 16
"""New things of a device that are told of one window: a scan does thousands, and is one finding."""
MANY_NAMES = 40
"""A device that talks to more registered domains is used by a person, whatever it is."""

LOOK_NS = 600 * 1_000_000_000

_HOME_BITS = {"src": 1, "dst": 2}


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
        self._open: OrderedDict[int, OpenFlow] = OrderedDict()
        self._waiting: OrderedDict[int, None] = OrderedDict()
        self._asked: dict[int, None] = {}
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
        found += self._take_flows(window)
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
            book = self._known(observation.dst_mac, observation.dst)
            for answer in answers:
                kind, _, address = answer.partition(" ")
                if kind in {"A", "AAAA"} and book is not None and isinstance(name, str):
                    book.put_name(address, name[:253])
            return
        name = said.get("host") if observation.kind == "http" else said.get("sni")
        if not isinstance(name, str) or said.get("server") or "." not in name:
            return
        book = self._known(observation.src_mac, observation.src)
        if book is not None:
            book.put_claim(observation.dst, name.partition(":")[0][:253])

    def _ask(self, observation: Observation) -> Iterator[Deviation]:
        """Note what a device looks up: a name says more than the address of a resolver."""
        name = observation.fields.get("query")
        entry = self._entry(observation.src_mac, observation.src)
        if entry is None or not isinstance(name, str) or "." not in name:
            return
        if name.endswith((".arpa", ".local", ".lan", ".home")):
            return
        self._book(entry)
        key = ProfileKey(Way.OUT, 17, 53, f"asks:{service_name(name[:253])}")
        asked = OpenFlow(
            entry.id, observation.src_mac, observation.src, Way.OUT, 17, 53, observation.dst,
            "router", observation.time, 0, key=key,
        )  # fmt: skip
        yield from self._judge(asked)

    def _known(self, mac: str, ip: str) -> Book | None:
        entry = self._entry(mac, ip)
        return self._book(entry) if entry is not None else None

    # --- flows -----------------------------------------------------------------------------------

    def _take_flows(self, window: Window) -> Iterator[Deviation]:
        rows = window.flows
        if len(rows):
            self._note_answers(rows)
            rows = rows[(rows["event"] & (Event.STARTED | Event.ENDED)) != 0]
            columns = {name: rows[name].tolist() for name in _COLUMNS}
            for index in range(len(rows)):
                row = {name: column[index] for name, column in columns.items()}
                if row["event"] & Event.STARTED:
                    self._begin(row)
                if row["event"] & Event.ENDED:
                    yield from self._end(row)
        for number in list(self._waiting):
            flow = self._open.get(number)
            if flow is None:
                del self._waiting[number]
                continue
            if flow.way is Way.IN and not flow.answered:
                continue
            named = self._books[flow.device].name_of(flow.peer) if self._is_kept(flow) else ""
            if named or window.end >= flow.deadline:
                del self._waiting[number]
                yield from self._judge(flow)

    def _note_answers(self, rows: Columns) -> None:
        """Note which of those who asked a device were answered: only that is the device's doing."""
        if not self._asked:
            return
        tcp = rows["protocol"] == TCP
        answered = np.where(tcp, was_open(rows), rows["packets"][:, 1] > 0)
        for number in rows["id"][answered].tolist():
            place = number * 2 + 1
            if place in self._asked:
                del self._asked[place]
                self._open[place].answered = True

    def _begin(self, row: dict[str, Any]) -> None:
        """Follow a flow for each of its ends that is a device of ours."""
        if not row["protocol"]:  # ARP: its rate is looked at.
            return
        for number, (end, other, way) in enumerate(
            (("src", "dst", Way.OUT), ("dst", "src", Way.IN))
        ):
            if not row["home"] & _HOME_BITS[end]:
                continue
            mac, ip = format_mac(row[f"{end}_mac"]), format_address(row[end])
            entry = self._entry(mac, ip)
            if entry is None:
                continue
            self._book(entry)
            peer = format_address(row[other])
            near = row["home"] & _HOME_BITS[other]
            role = self._role(format_mac(row[f"{other}_mac"]), peer) if near else ""
            place = row["id"] * 2 + number
            self._open[place] = OpenFlow(
                entry.id, mac, ip, way, row["protocol"], row["dst_port"], peer, role,
                row["start"], row["start"] + (0 if near or way is Way.IN else PATIENCE_NS),
            )  # fmt: skip
            self._waiting[place] = None
            if way is Way.IN:
                self._asked[place] = None
            if len(self._open) > MAX_OPEN:
                oldest, _ = self._open.popitem(last=False)
                self._asked.pop(oldest, None)
                self.dropped += 1

    def _end(self, row: dict[str, Any]) -> Iterator[Deviation]:
        for number in (0, 1):
            place = row["id"] * 2 + number
            flow = self._open.pop(place, None)
            unanswered = self._asked.pop(place, place) is None and not is_answered(row)
            if flow is None or unanswered or not self._is_kept(flow):
                continue
            if flow.key is None:
                yield from self._judge(flow)
            mine = 0 if flow.way is Way.OUT else 1
            sent, received = int(row["octets"][mine]), int(row["octets"][1 - mine])
            yield from self._settle(flow, sent, received, row["last"])

    def _judge(self, flow: OpenFlow) -> Iterator[Deviation]:
        """Note that a flow began, and tell whether it deviates."""
        if not self._is_kept(flow):
            return
        book = self._books[flow.device]
        name = book.name_of(flow.peer)
        if flow.key is None:
            flow.key = self._key_of(flow, book, name)
        key = flow.key
        known = book.keys.get(key)
        odd = known is not None and book.is_learned and is_odd_hour(known, book, flow.begun)
        trusted = self._trusts(flow) and not self.distrusts(flow.peer, name)
        if book.begin(key, flow.begun, trusted=trusted):
            self._new[flow.device] += 1
            if self._new[flow.device] <= MOST_NEW:
                yield self._deviation(flow, DeviationKind.NEW, flow.begun)
            else:
                self.dropped += 1
            return
        use = book.keys.get(key)
        if use is None:
            return
        if odd:
            yield self._deviation(flow, DeviationKind.HOUR, flow.begun)
        usual = max(use.most, 1)
        if book.is_learned and use.in_minute > max(LEAST_RATE, EXCESS * usual):
            if use.odd_minute != use.minute:
                yield self._deviation(flow, DeviationKind.RATE, flow.begun, use.in_minute, usual)
            use.odd_minute = use.minute
        elif not trusted:
            use.odd_minute = use.minute

    def _key_of(self, flow: OpenFlow, book: Book, name: str) -> ProfileKey:
        """Return the key of a flow; what was learned of a network before its system holds."""
        what = flow.way, flow.protocol, flow.port, flow.peer, name, flow.role
        key = key_of(*what)
        if key.peer.startswith("net:") and key not in book.keys:
            key = key_of(*what, self.system_of(flow.peer))
        return book.generalised(key)

    def _settle(self, flow: OpenFlow, sent: int, received: int, at: int) -> Iterator[Deviation]:
        """Note how much a flow moved, and tell whether that deviates."""
        book = self._books[flow.device]
        use = book.keys.get(flow.key) if flow.key is not None else None
        if use is None:
            return
        octets = sent + received
        excess = is_volume_excess(use, octets)
        if received >= FIRMWARE_OCTETS and received > 8 * 2**use.volume and not flow.role:
            book.renewed = at
        if excess and book.is_learned and sent > received:
            yield self._deviation(flow, DeviationKind.VOLUME, at, octets, round(2**use.volume))
        if not excess or not book.is_learned:
            use.end(sent, received)

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
        """Return a device that has a profile: routers do everything for everybody."""
        if mac in self.inventory.routers:
            return None
        table = self.inventory.table
        return table.with_mac(mac) or table.with_address(ip)

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

    def _is_kept(self, flow: OpenFlow) -> bool:
        return flow.device in self._books

    def _is_personal(self, entry: Entry) -> bool:
        guess = entry.guesses(entry.last_seen).get(Attribute.CATEGORY)
        return guess is not None and guess.value in PERSONAL

    def is_simple(self, entry: Entry) -> bool:
        """Tell whether a device is a thing that does few things: it may be fenced in."""
        book = self._books.get(entry.id)
        names = {key.peer for key in book.keys if key.peer.startswith("name:")} if book else ()
        return not self._is_personal(entry) and len(names) <= MANY_NAMES

    def _trusts(self, flow: OpenFlow) -> bool:
        return not self._attacked & {flow.mac, flow.ip}

    # --- what is told ----------------------------------------------------------------------------

    def _deviation(
        self, flow: OpenFlow, kind: DeviationKind, at: int, value: float = 0.0, usual: float = 0.0
    ) -> Deviation:
        book, entry = self._books[flow.device], self.inventory.table.get(flow.device)
        key = flow.key
        alike, fleet = False, False
        if entry is not None and key is not None and kind is DeviationKind.NEW:
            alike, fleet = self._fleet.compare(entry, key, at)
        same = key is not None and knows_peer(book, key)
        return Deviation(
            flow.device, flow.mac, flow.ip, flow.peer, at, kind, key, "", value, usual,
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


_NAMING = frozenset({"dns", "tls", "quic", "http"})
_COLUMNS = (
    "id", "start", "last", "src", "dst", "src_mac", "dst_mac", "octets", "dst_port", "protocol",
    "home", "event", "state", "packets", "payload",
)  # fmt: skip
