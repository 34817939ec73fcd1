"""Follows what devices do, window by window, and tells what of it deviates from their profiles.

The core merges the flows of a window by device, service and peer. Such a use is looked at as soon
as it is known what the other end is called: the device's own look-ups and hellos say it, and are
remembered beyond their time to live.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from phage.devices.books import Books
from phage.devices.domainnames import service_name
from phage.devices.ends import Ends
from phage.devices.judge import Judge, is_personal
from phage.devices.keyuse import DAY_NS
from phage.devices.posing import Posers
from phage.devices.profilekeys import key_of
from phage.devices.rates import RateMeter
from phage.devices.unnamed import Unnamed
from phage.devices.used import WAYS, Used
from phage.records.address import format_address, format_mac
from phage.records.profile import NO_PORT, POSING, Deviation, ProfileKey, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.devices.entry import Entry
    from phage.devices.inventory import Inventory
    from phage.devices.profilebook import Book
    from phage.records.observation import Observation
    from phage.records.window import Window

MAX_KNOWN = 8192
"""Uses of which it is remembered what they are in a profile."""

LOOK_NS = 600 * 1_000_000_000


class Profiler:
    """Makes profiles of the inventory's devices.

    Args:
        inventory: Who is who.
        least_ns: How long a device is observed at least before what is new deviates.
        distrusts: Tells whether an address is one that nothing may be learned of.

    Attributes:
        books: The profiles.
        system_of: Returns the autonomous system of an address; 0 where that is not known.
    """

    def __init__(
        self,
        inventory: Inventory,
        least_ns: int = 3 * DAY_NS,
        distrusts: Callable[[str, str], bool] = lambda _address, _name: False,
    ) -> None:
        self.inventory = inventory
        self.books = Books(least_ns)
        self.judge = Judge(inventory.table, self.books, distrusts)
        self.system_of: Callable[[str], int] = lambda _address: 0
        self._unnamed = Unnamed()
        self._known: OrderedDict[tuple[object, ...], Used] = OrderedDict()
        """What was used lately, by what the core tells it apart."""
        self._ends = Ends(inventory)
        self._posers = Posers(inventory)
        self._rates = RateMeter()
        self._look_at = 0

    @property
    def dropped(self) -> int:
        """Return how much was not looked at, or not told, for want of room."""
        return self.books.dropped + self._unnamed.dropped + self.judge.dropped

    def take(self, window: Window, attacked: frozenset[str] = frozenset()) -> list[Deviation]:
        """Take in a window; return what deviates. `attacked` are addresses that findings name."""
        self.judge.open(attacked, window.start)
        found: list[Deviation] = []
        for observation in window.observations:
            if observation.kind == "dns" and observation.fields.get("response") is False:
                found += self._ask(observation)
            elif observation.kind in _NAMING:
                self._take_name(observation)
        found += self._take_uses(window)
        found += self._take_posers(window)
        found += self._take_hosts(window)
        found += self.judge.close(window.end)
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
                    self._unnamed.name(book.device, address)
            return
        name = said.get("host") if observation.kind == "http" else said.get("sni")
        if not isinstance(name, str) or said.get("server") or "." not in name:
            return
        book = self._book_at(observation.src_mac, observation.src)
        if book is not None:
            book.put_claim(observation.dst, name.partition(":")[0][:253])
            self._unnamed.name(book.device, observation.dst)

    def _ask(self, observation: Observation) -> Iterator[Deviation]:
        """Note what a device looks up: a name says more than the address of a resolver."""
        name = observation.fields.get("query")
        entry = self._entry(observation.src_mac, observation.src)
        if entry is None or not isinstance(name, str) or "." not in name:
            return
        if name.endswith((".arpa", ".local", ".lan", ".home")):
            return
        book = self.books.of(entry)
        asked = Used(
            book, observation.src_mac, observation.src, Way.OUT, 17, 53, observation.dst,
            "router", observation.time, observation.time,
        )  # fmt: skip
        asked.key = ProfileKey(Way.OUT, 17, 53, f"asks:{service_name(name[:253])}")
        asked.version = book.version
        yield from self._judge(asked)

    def _book_at(self, mac: str, ip: str) -> Book | None:
        entry = self._entry(mac, ip)
        return self.books.of(entry) if entry is not None else None

    # --- uses ------------------------------------------------------------------------------------

    def _take_uses(self, window: Window) -> Iterator[Deviation]:
        if self._ends.look():
            self._known.clear()
        for row in window.uses.tolist():
            used = self._used(row)
            judged = self._unnamed.hold(used) if used is not None else None
            if judged is not None:
                yield from self._judge(judged)
        for used in self._unnamed.take(window.end):
            yield from self._judge(used)

    def _take_posers(self, window: Window) -> Iterator[Deviation]:
        """Judge what neighbours sent with far addresses, whether or not they were answered."""
        for posed in self._posers.take(window):
            found = self._ends.find(posed.mac, posed.address)
            if found is None:
                continue
            entry, mac, ip = found
            book, peer = self.books.of(entry), format_address(posed.peer)
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
        if known is not None and known.key and self.books.has(known.book):
            known.again(*amounts)
            return known
        found = self._ends.find(number, address)
        if found is None:
            return None
        entry, mac, ip = found
        peer = format_address(peer_address)
        role = self._role(format_mac(peer_number), peer) if near else ""
        used = Used(
            self.books.of(entry), mac, ip, WAYS[way & 1], protocol, port, peer, role, *amounts
        )
        self._known[place] = used
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return used

    def _judge(self, used: Used) -> Iterator[Deviation]:
        """Note that a device did something, and tell whether it deviates."""
        book = used.book
        if not self.books.has(book):
            return
        key = used.key
        if key is None or used.version != book.version:
            key = used.key = self._key_of(used)
            used.version = book.version
        yield from self.judge.use(used, key)

    def _key_of(self, used: Used) -> ProfileKey:
        """Return the key of a use; what was learned of a network before its system holds."""
        book, name = used.book, used.book.name_of(used.peer)
        what = used.way, used.protocol, used.port, used.peer, name, used.role
        key = key_of(*what)
        unknown = key.peer.startswith("net:") and key not in book.keys
        if unknown and (system := self.system_of(used.peer)):
            key = key_of(*what, system)
        return book.generalised(key)

    # --- rates of the whole device ---------------------------------------------------------------

    def _take_hosts(self, window: Window) -> Iterator[Deviation]:
        """Judge the rates of whole devices, once a minute."""
        for mac, ip, sent in self._rates.take(window):
            entry = self._entry(mac, ip)
            if entry is None:
                continue
            yield from self.judge.rates(entry, mac, ip, window.start, sent)

    # --- who is who ------------------------------------------------------------------------------

    def _entry(self, mac: str, ip: str) -> Entry | None:
        return self._ends.entry(mac, ip)

    def _role(self, mac: str, ip: str) -> str:
        if mac in self.inventory.routers:
            return "router"
        entry = self._entry(mac, ip)
        if entry is None or is_personal(entry):
            return "home"
        return f"device:{entry.id}"

    def _look(self) -> None:
        for id_, book in list(self.books.by_device.items()):
            entry = self.inventory.table.get(id_)
            if entry is None:
                self.books.forget(id_)
                continue
            if book.look(simple=self.judge.is_simple(entry)):
                book.changed = True
                detail = f"does hardly anything new: {len(book.keys)} things are normal for it"
                self.inventory.table.tell(id_, book.until, "learned", detail)


_NAMING = frozenset({"dns", "tls", "quic", "http"})
