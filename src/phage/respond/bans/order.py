"""What is asked of the kernel in one go: keys of sets, rules of their own, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from phage.records.decision import Action, Direction, ReceiptState
from phage.respond.bans.members import FOREVER, Holder, Members
from phage.respond.bans.places import Key, Keys, Place, keys_of, place_of, sides
from phage.respond.bans.special import Special, is_special, special

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records.decision import Decision
    from phage.respond.bans.plain import Batch, PlainBans, Run

EXPIRED = "it has expired"

_Member = tuple[Place, bytes, Holder]


@dataclass(slots=True)
class Order:
    """A batch as sets and rules.

    Attributes:
        batch: What is asked.
        now: Nanoseconds since the Unix epoch.
        ending: It is to be taken out: then it may have expired.
        runs: What becomes of it if the kernel agrees, in the batch's order.
        specials: Rules of single decisions, by id.
    """

    batch: Batch
    now: int
    ending: bool = False
    runs: list[Run] = field(default_factory=list, init=False)
    specials: dict[str, Special] = field(default_factory=dict, init=False)
    _members: list[_Member] = field(default_factory=list, init=False)
    _hosts: list[Key] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        for each in self.batch.decisions:
            self.runs.append(self._taken(each))
        for bans in self.batch.bans:
            self.runs += self._fates(bans)

    def members(self) -> Iterator[_Member]:
        """Yield all that is to be in sets, or to go out of them."""
        yield from self._members
        for bans in self.batch.bans:
            for place in places_of(bans):
                rows = zip(bans.each(), bans.each_end(), bans.each_id(), strict=True)
                for octets, until, id_ in rows:
                    if self._lasts(until):
                        yield place, octets, (id_, until or FOREVER)

    def all_members(self) -> Members:
        """Return what is to be in sets when there is nothing else."""
        members = Members()
        members.keep(members.added(self._members))
        for bans in self.batch.bans:
            for place in places_of(bans):
                members.fill(place, bans, self.now)
        return members

    def ends(self) -> dict[tuple[int, int], list[bytes]]:
        """Return the networks whose connections are to be cut, by IP version and length."""
        found: dict[tuple[int, int], list[bytes]] = {}
        for key in self._hosts:
            octets = key.octets[-4 if key.version == 4 else -16 :]
            found.setdefault((key.version, key.length), []).append(octets)
        for bans in self.batch.bans:
            found.setdefault((bans.version, bans.length), []).extend(bans.each())
        return found

    def failed(self, error: Exception) -> list[Run]:
        """Return what becomes of it when it cannot be done."""
        return [
            run if run[1] is ReceiptState.UNSUITED else (run[0], ReceiptState.FAILED, str(error))
            for run in self.runs
        ]

    def _taken(self, decision: Decision) -> Run:
        if not self._lasts(decision.until):
            return 1, ReceiptState.UNSUITED, EXPIRED
        try:
            members, keys, own = _wanted(decision)
        except ValueError as error:
            return 1, ReceiptState.UNSUITED, str(error)
        self._members += members
        if own is not None:
            self.specials[decision.id] = own
        else:
            self._hosts += [key for key in keys if key.keys is not Keys.MAC]
        return 1, *self._fate([place for place, _, _ in members])

    def _fates(self, bans: PlainBans) -> Iterator[Run]:
        """Yield what becomes of plain bans: as good as always the same."""
        fate = self._fate(places_of(bans))
        for lasts, some in groupby(map(self._lasts, bans.each_end())):
            count = sum(1 for _ in some)
            yield (count, *fate) if lasts else (count, ReceiptState.UNSUITED, EXPIRED)

    def _fate(self, places: list[Place]) -> tuple[ReceiptState, str]:
        if self.ending:
            return ReceiptState.WITHDRAWN, ""
        sets = ", ".join(dict.fromkeys(place.name for place in places))
        return ReceiptState.APPLIED, f"set {sets}"

    def _lasts(self, until: int) -> bool:
        return not 0 < until <= self.now or self.ending


def why_not(decision: Decision) -> str:
    """Return '' when the kernel can carry a decision out, else why not."""
    try:
        _wanted(decision)
    except ValueError as error:
        return str(error)
    return ""


def places_of(bans: PlainBans) -> list[Place]:
    """Return the sets that plain bans go into."""
    sides = {Direction.FROM: (False,), Direction.TO: (True,), Direction.BOTH: (False, True)}
    key = Key(Keys.NETWORK, bans.version, bans.length, b"")
    return [place_of(Action.BAN, key, to=to) for to in sides[bans.direction]]


def _wanted(decision: Decision) -> tuple[list[_Member], tuple[Key, ...], Special | None]:
    """Return a decision as sets and rules. Raises ValueError, for people, where that cannot be."""
    holder = (decision.id, decision.until or FOREVER)
    keys = keys_of(decision.target)
    if is_special(decision):
        own = special(decision)
        return [(place, key.octets, holder) for place, key in own.keys], keys, own
    members = [
        (place_of(decision.action, key, to=to), key.octets, holder)
        for key in keys
        for to in sides(decision, key)
    ]
    return members, keys, None
