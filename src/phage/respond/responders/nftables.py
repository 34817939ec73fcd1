"""The responder that drops packets in this machine's kernel, by nftables.

Bans are elements of hash sets with timeouts in a table of phage's own, written by netlink: adding
one to a million takes some hundredths of a millisecond and starts no program, and the kernel ends
each by itself. It works on forwarded packets and on the machine's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError
from phage.respond.bans.building import LIST_NAME, BulkList
from phage.respond.bans.order import Order, why_not
from phage.respond.bans.plain import is_plain, pack, receipts
from phage.respond.bans.table import BanTable
from phage.respond.netlink.conntrack import cut
from phage.respond.netlink.errors import KernelError
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import generation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.decision import Decision, Receipt
    from phage.respond.bans.lists import Sets
    from phage.respond.bans.places import Network, Place
    from phage.respond.bans.plain import Batch, Run
    from phage.respond.bans.special import Special

MAX_MEMBERS = 1_000_000
"""Addresses under single decisions: a kilobyte of memory each, here and in the kernel."""
MAX_SETS = 128
"""Sets of decisions: a packet pays for a look-up in each that concerns its IP version."""
MAX_SPECIALS = 128
"""Decisions with rules of their own: a packet walks through them all."""
MAX_LISTS = 16
"""Bulk lists, each of some look-ups a packet."""


@dataclass(slots=True)
class NftablesResponder:
    """Carries decisions out in nftables.

    The first call should be `replace`: bans that an earlier process left are not known until then,
    and go. Bulk lists that it left stay until they are loaded again.

    Attributes:
        devices: Interfaces at whose ingress bans are asked, the cheapest place; elsewhere they are
            asked before conntrack.
        cut_connections: Remove the conntrack entries of what is banned.
        cut_failures: How often the kernel refused that.
    """

    name: ClassVar[str] = "nftables"
    summary: ClassVar[str] = "this machine's kernel: sets with timeouts in a table of its own"

    devices: tuple[str, ...] = ()
    cut_connections: bool = True
    cut_failures: int = 0
    _table: BanTable = field(init=False)
    _now: int = 0
    _is_replaced: bool = False

    def __post_init__(self) -> None:
        self._table = BanTable(self.devices)

    @staticmethod
    def available() -> str:
        """Return '' if the kernel has nftables and lets us use it, else why not."""
        link = Link()
        try:
            generation(link)
        except PhageError as error:
            return str(error)
        finally:
            link.close()
        return ""

    def suits(self, decision: Decision) -> str:
        """Return '' when the kernel can carry it out, else why not."""
        return "" if is_plain(decision) else why_not(decision)

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring decisions into force, all in one transaction; cut their connections."""
        batch, order = pack(decisions)
        return receipts(self.name, order, self.apply_batch(batch, now), now)

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Take decisions out of force, all in one transaction."""
        batch, order = pack(decisions)
        return receipts(self.name, order, self.revoke_batch(batch, now), now)

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring exactly these into force, in one transaction; lists and allow-list stay."""
        batch, order = pack(decisions)
        return receipts(self.name, order, self.replace_batch(batch, now), now)

    def apply_batch(self, batch: Batch, now: int) -> list[Run]:
        """Apply what is packed already; return what became of it, in its order."""
        self._now = now
        order = Order(batch, now)
        content = self._table.content
        try:
            changes = content.members.added(order.members())
            self._check_room(
                len(content.members) + sum(not each.before for each in changes),
                content.places | {each.place for each in changes},
                {**content.specials, **order.specials},
            )
            gone = content.specials.keys() & order.specials.keys()
            if changes or gone:
                self._table.change(changes, now, order.specials, gone)
        except PhageError as error:
            if len(batch) <= 1:
                return order.failed(error)
            # One decision that the kernel refuses must not keep the others out.
            first, second = batch.halves()
            return [*self.apply_batch(first, now), *self.apply_batch(second, now)]
        self._cut(order)
        return order.runs

    def revoke_batch(self, batch: Batch, now: int) -> list[Run]:
        """Revoke what is packed already; return what became of it, in its order."""
        self._now = now
        order = Order(batch, now, ending=True)
        content = self._table.content
        try:
            changes = content.members.removed(order.members())
            gone = content.specials.keys() & {each.id for each in batch.decisions}
            if gone or any(each.old != each.new for each in changes):
                self._table.change(changes, now, gone=gone)
        except KernelError as error:
            return order.failed(error)
        return order.runs

    def replace_batch(self, batch: Batch, now: int) -> list[Run]:
        """Replace all by what is packed already; return what became of it, in its order."""
        self._now = now
        order = Order(batch, now)
        members = order.all_members()
        try:
            self._check_room(len(members), members.places, order.specials)
            self._table.replace(members, order.specials, now)
        except PhageError as error:
            return order.failed(error)
        self._is_replaced = True
        self._cut(order)
        return order.runs

    def is_disturbed(self) -> bool:
        """Tell whether somebody flushed or changed the table; one question to the kernel.

        So it is before the first `replace`, when what an earlier process left is not known.
        """
        if not self._is_replaced:
            return True
        try:
            return self._table.is_disturbed(self._now)
        except KernelError:
            return True

    def close(self) -> None:
        """Close the socket; the kernel keeps and ends the bans."""
        self._table.close()

    # What the daemon asks beside the contract.

    def protect(self, networks: Sequence[Network], now: int) -> None:
        """Set the allow-list, which no ban touches. Raises KernelError."""
        self._table.protect(networks, now)

    def load_list(
        self, name: str, sets: Sets, now: int, *, source: bool = True, destination: bool = False
    ) -> int:
        """Load or replace a bulk list, in one transaction; return how many elements it takes.

        `sets` are made by `phage.respond.bans.lists`: from text, networks or octets. What changed
        since the last load is told to the kernel, or all if that is less work. Raises PhageError.
        """
        # NumPy is loaded where there are lists, and nowhere else.
        from phage.respond.bans.lists import arranged, plan  # noqa: PLC0415

        if not LIST_NAME.fullmatch(name):
            message = f"a list is named by small letters, digits and _, at most 31, not {name!r}"
            raise PhageError(message)
        self._table.ensure(now)
        lists = dict(self._table.content.lists)
        old = lists.get(name)
        if old is None and len(lists) >= MAX_LISTS:
            message = f"there are {MAX_LISTS} lists already: join some"
            raise PhageError(message)
        wanted = arranged(sets, old.sets if old else ())
        made = plan(self._table.table, name, old, wanted)
        lists[name] = BulkList(wanted, made.room, source, destination)
        turned = old is not None and (old.source, old.destination) != (source, destination)
        wider = made.wider or old is None or turned
        self._table.change_lists(lists, made.requests, now, wider=wider)
        return len(lists[name])

    def drop_list(self, name: str, now: int) -> None:
        """Take a bulk list out, if there is one. Raises KernelError."""
        self._table.ensure(now)
        lists = dict(self._table.content.lists)
        old = lists.pop(name, None)
        if old is not None:
            requests = [
                self._table.table.delete_set(spec.name)
                for spec, each, _ in self._table.content.list_sets()
                if each is old
            ]
            self._table.change_lists(lists, requests, now, wider=True)

    def lists(self) -> Mapping[str, int]:
        """Return the elements of each bulk list; 0 for one that an earlier process left."""
        return {name: len(each) for name, each in self._table.content.lists.items()}

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets by counter: of bans, lists, and decisions with own rules."""
        return self._table.counters()

    def clear(self) -> None:
        """Remove the whole table at once: bans, lists, static rules. Raises KernelError."""
        self._table.clear()
        self._is_replaced = False  # Whoever asks whether it is disturbed learns of it.

    def heal(self, now: int) -> None:
        """Put back what somebody flushed, from memory. Raises KernelError."""
        self._now = now
        if self._is_replaced and (self._table.is_disturbed(now) or self._table.has_lost(now)):
            self._table.heal(now)

    @property
    def heals(self) -> int:
        """Return how often a change found the table flushed, and put it back."""
        return self._table.heals

    def _cut(self, order: Order) -> None:
        if self.cut_connections and (ends := order.ends()):
            try:
                cut(self._table.link, ends)
            except KernelError:
                self.cut_failures += 1

    @staticmethod
    def _check_room(
        members: int, places: frozenset[Place], specials: Mapping[str, Special]
    ) -> None:
        for what, count, most in (
            ("addresses", members, MAX_MEMBERS),
            ("sets", len(places), MAX_SETS),
            ("decisions with rules of their own", len(specials), MAX_SPECIALS),
        ):
            if count > most:
                message = f"the kernel holds at most {most:,} {what} of decisions"
                raise PhageError(message)
