"""The responder that drops packets in this machine's kernel, by nftables.

Bans are elements of hash sets with timeouts in a table of phage's own, written by netlink: adding
one to a million takes some hundredths of a millisecond and starts no program, and the kernel ends
each by itself. It works on forwarded packets and on the machine's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError
from phage.records.decision import Receipt, ReceiptState
from phage.respond.bans.building import LIST_NAME, BulkList
from phage.respond.bans.members import FOREVER, Holder, Members
from phage.respond.bans.places import keys_of, place_of, sides
from phage.respond.bans.special import Special, is_special, special
from phage.respond.bans.table import BanTable
from phage.respond.netlink.conntrack import cut
from phage.respond.netlink.errors import KernelError
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import generation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.records.decision import Decision
    from phage.respond.bans.lists import Sets
    from phage.respond.bans.places import Key, Network, Place

EXPIRED = "it has expired"
MAX_MEMBERS = 1_000_000
"""Addresses under single decisions: a kilobyte of memory each, here and in the kernel."""
MAX_SETS = 128
"""Sets of decisions: a packet pays for a look-up in each that concerns its IP version."""
MAX_SPECIALS = 128
"""Decisions with rules of their own: a packet walks through them all."""
MAX_LISTS = 16
"""Bulk lists, each of some look-ups a packet."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A decision as sets and rules."""

    decision: Decision
    members: tuple[tuple[Place, bytes, Holder], ...]
    keys: tuple[Key, ...]
    special: Special | None


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
        try:
            _wanted(decision)
        except ValueError as error:
            return str(error)
        return ""

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring decisions into force, all in one transaction; cut their connections."""
        self._now = now
        suited, receipts = _sorted_out(decisions, now)
        if not suited:
            return receipts
        content = self._table.content
        specials = {each.decision.id: each.special for each in suited if each.special}
        try:
            changes = content.members.added(each for one in suited for each in one.members)
            self._check_room(
                len(content.members) + sum(not each.before for each in changes),
                content.places | {each.place for each in changes},
                {**content.specials, **specials},
            )
            gone = content.specials.keys() & specials.keys()
            self._table.change(changes, now, specials, gone)
        except PhageError as error:
            if len(suited) > 1:
                return [*receipts, *self._one_by_one(suited, now)]
            return [*receipts, _failed(suited[0].decision, now, error)]
        self._cut(suited)
        return [*receipts, *(_applied(each, now) for each in suited)]

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Take decisions out of force, all in one transaction."""
        self._now = now
        known, receipts = _sorted_out(decisions, now, ending=True)
        try:
            content = self._table.content
            changes = content.members.removed(each for one in known for each in one.members)
            gone = content.specials.keys() & {each.decision.id for each in known}
            if gone or any(each.old != each.new for each in changes):
                self._table.change(changes, now, gone=gone)
        except KernelError as error:
            return [*receipts, *(_failed(each.decision, now, error) for each in known)]
        return [
            *receipts,
            *(Receipt(each.decision.id, self.name, ReceiptState.WITHDRAWN, now) for each in known),
        ]

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring exactly these into force, in one transaction; lists and allow-list stay."""
        self._now = now
        suited, receipts = _sorted_out(decisions, now)
        members = Members()
        changes = members.added(each for one in suited for each in one.members)
        members.keep(changes)
        specials = {each.decision.id: each.special for each in suited if each.special}
        try:
            self._check_room(len(members), members.places, specials)
            self._table.replace(members, specials, now)
        except PhageError as error:
            return [*receipts, *(_failed(each.decision, now, error) for each in suited)]
        self._is_replaced = True
        self._cut(suited)
        return [*receipts, *(_applied(each, now) for each in suited)]

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

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets by counter: of bans, lists, and decisions with own rules."""
        return self._table.counters()

    def clear(self) -> None:
        """Remove the whole table at once: bans, lists, static rules. Raises KernelError."""
        self._table.clear()
        self._is_replaced = False  # Whoever asks whether it is disturbed learns of it.

    def heal(self, now: int) -> None:
        """Put back what somebody flushed, from memory. Raises KernelError."""
        if self._is_replaced and self._table.is_disturbed(now):
            self._table.heal(now)

    @property
    def heals(self) -> int:
        """Return how often a change found the table flushed, and put it back."""
        return self._table.heals

    def _one_by_one(self, suited: Sequence[_Wanted], now: int) -> list[Receipt]:
        """One decision that the kernel refuses must not keep the others out."""
        return [receipt for each in suited for receipt in self.apply([each.decision], now)]

    def _cut(self, suited: Sequence[_Wanted]) -> None:
        keys = [key for each in suited if each.special is None for key in each.keys]
        if not (self.cut_connections and keys):
            return
        try:
            cut(self._table.link, [key.network for key in keys if key.network is not None])
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


def _wanted(decision: Decision) -> _Wanted:
    """Return a decision as sets and rules. Raises ValueError, for people, where that cannot be."""
    holder = (decision.id, decision.until or FOREVER)
    keys = keys_of(decision.target)
    if is_special(decision):
        own = special(decision)
        members = tuple((place, key.octets, holder) for place, key in own.keys)
        return _Wanted(decision, members, keys, own)
    members = tuple(
        (place_of(decision.action, key, to=to), key.octets, holder)
        for key in keys
        for to in sides(decision, key)
    )
    return _Wanted(decision, members, keys, None)


def _sorted_out(
    decisions: Sequence[Decision], now: int, *, ending: bool = False
) -> tuple[list[_Wanted], list[Receipt]]:
    """Return what can be carried out, and receipts for what cannot, or is over already."""
    suited: list[_Wanted] = []
    receipts: list[Receipt] = []
    for each in decisions:
        why = EXPIRED if each.until and each.until <= now and not ending else ""
        if not why:
            try:
                suited.append(_wanted(each))
            except ValueError as error:
                why = str(error)
        if why:
            name = NftablesResponder.name
            receipts.append(Receipt(each.id, name, ReceiptState.UNSUITED, now, why))
    return suited, receipts


def _applied(wanted: _Wanted, now: int) -> Receipt:
    sets = ", ".join(dict.fromkeys(place.name for place, _, _ in wanted.members))
    detail = f"set {sets}"
    return Receipt(wanted.decision.id, NftablesResponder.name, ReceiptState.APPLIED, now, detail)


def _failed(decision: Decision, now: int, error: PhageError) -> Receipt:
    name = NftablesResponder.name
    return Receipt(decision.id, name, ReceiptState.FAILED, now, str(error))
