"""The ledger: every decision that stands, in memory and in the store.

What is decided is committed to the store before anything is carried out; what ends is committed as
ended. A process that is killed finds at its next start what stood.

At most one decision stands for one *effect*: the same thing done to the same packets of the same
target. Who decides it again extends it, so that nobody's end is the end of another's ban.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError, StoreDataError, StoreError
from phage.policy.identity import Identities
from phage.policy.target import network_of, network_target
from phage.records.decision import Decision, Target, TargetKind
from phage.store.repositories.decisions import SHORTEST_PREFIX, AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phage.records.packetrule import Network

_log = logging.getLogger(__name__)

MAX_STANDING = 1_000_000
"""Decisions that stand, recorded ones included: half a kilobyte each."""

MAX_UNSAVED = 10_000
"""Decisions that wait for a store that cannot be written."""

EXPIRY = "expiry"


class Book(Protocol):
    """Where decisions are kept: the store's repository. Every method may raise StoreError."""

    def save(self, decisions: Iterable[Decision]) -> None:
        """Insert or update."""

    def standing(self) -> Iterable[Decision]:
        """Yield what has not ended."""

    def times_before(
        self, rule: str, target: Target, since: int, now: int, *, dry_run: bool
    ) -> int:
        """Return at how many times since a time, now left out, a rule decided against a target."""

    def pardon(self, rule: str, target: Target, now: int) -> str:
        """Return who revoked what a rule decided against a target, before its time; else ''."""

    def note(self, entry: AuditEntry) -> None:
        """Keep what a person did."""


class LedgerFullError(PhageError):
    """No more decisions fit; says how many stand and what to do."""


@dataclass(slots=True)
class LedgerState:
    """Totals since the start, and how the store does."""

    added: int = 0
    extended: int = 0
    ended: int = 0
    refused_full: int = 0
    lost: int = 0
    """Changes that could not be written and did not fit into what waits."""
    fault: str = ""


@dataclass
class Ledger:
    """Keeps what stands. May be used by several threads.

    Attributes:
        book: The store's repository.
        capacity: Decisions that may stand.
        on_change: Told the ids of decisions that began, were extended or ended, after the commit.
    """

    book: Book
    capacity: int = MAX_STANDING
    on_change: Callable[[Sequence[str]], None] | None = None
    state: LedgerState = field(default_factory=LedgerState, init=False)
    _standing: dict[str, Decision] = field(default_factory=dict, init=False, repr=False)
    _by_target: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False)
    _expiries: list[tuple[int, str]] = field(default_factory=list, init=False, repr=False)
    _unsaved: deque[Decision] = field(
        default_factory=lambda: deque(maxlen=MAX_UNSAVED), init=False, repr=False
    )
    _enforced: int = field(default=0, init=False)
    _lengths: Counter[tuple[int, int]] = field(default_factory=Counter, init=False, repr=False)
    _identities: Identities = field(default_factory=Identities, init=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def load(self, now: int) -> None:
        """Take up what stood when the last process ended. Raises StoreError."""
        with self._lock:
            for decision in self.book.standing():
                self._insert(decision)
        self.expire(now)

    def __len__(self) -> int:
        return len(self._standing)

    @property
    def enforced(self) -> int:
        """Return how many of those that stand are carried out, not only recorded."""
        return self._enforced

    def get(self, id: str) -> Decision | None:  # noqa: A002  The field's name.
        """Return a decision that stands, by id or by the only beginning of one."""
        found = self._standing.get(id)
        if found is None:
            near = self.beginning(id)
            found = self._standing.get(near[0]) if len(near) == 1 else None
        return found

    def beginning(self, text: str) -> list[str]:
        """Return the ids of what stands that begin so; none for what is too short to mean one."""
        if len(text) < SHORTEST_PREFIX:
            return []
        with self._lock:
            return [key for key in self._standing if key.startswith(text.upper())]

    def in_force(self, id: str) -> Decision | None:  # noqa: A002  The field's name.
        """Return a decision that is to be carried out; None when it ended or is only recorded."""
        found = self._standing.get(id)
        return None if found is None or found.dry_run else found

    def all_in_force(self) -> list[Decision]:
        """Return every decision that is to be carried out."""
        with self._lock:
            return [each for each in self._standing.values() if not each.dry_run]

    def all_standing(self) -> list[Decision]:
        """Return every decision that stands, those that are only recorded too."""
        with self._lock:
            return list(self._standing.values())

    def against(self, target: Target) -> list[Decision]:
        """Return what stands against exactly this target."""
        with self._lock:
            return [
                self._standing[name]
                for name in self._by_target.get(target.value, ())
                if self._standing[name].target == target
            ]

    def same_effect(self, decision: Decision) -> Decision | None:
        """Return what stands already of the same effect, recorded or in force as this one."""
        for other in self.against(decision.target):
            if effect(other) == effect(decision):
                return other
        return None

    def times_before(
        self, rule: str, target: Target, since: int, now: int, *, dry_run: bool
    ) -> int:
        """Return how often a rule decided against a target before; 0 while the store cannot say.

        What is decided at one time, as a ban and a script's part in it, is one.
        """
        try:
            return self.book.times_before(rule, target, since, now, dry_run=dry_run)
        except StoreError as error:
            self._fault(error)
            return 0

    def pardon(self, rule: str, target: Target, now: int) -> str:
        """Return who revoked what a rule decided against a target, before its time; else ''."""
        try:
            return self.book.pardon(rule, target, now)
        except StoreError as error:
            self._fault(error)
            return ""

    def add(self, decision: Decision) -> Decision:
        """Commit a decision, or extend the one of the same effect; return what stands.

        Raises:
            LedgerFullError: No more fit.
            StoreError: A decision without an end cannot be written. One with an end stands though
                it cannot: blocks do not stop because a disk is full. It is written later.
        """
        with self._lock:
            before = self.same_effect(decision)
            if before is not None:
                stands = _extended(before, decision)
            elif len(self._standing) >= self.capacity:
                self.state.refused_full += 1
                message = f"{self.capacity} decisions stand, and no more fit; revoke some"
                raise LedgerFullError(message)
            else:
                stands = replace(decision, id=self._identities.new(decision.start))
            if stands is before:
                return stands
            self._commit([stands], must=not stands.until)
            if before is None:
                self.state.added += 1
            else:
                self.state.extended += 1
            self._insert(stands)
        self._tell([stands.id])
        return stands

    def end(self, ids: Iterable[str], now: int, by: str) -> list[Decision]:
        """End decisions; return those that stood, as they ended."""
        with self._lock:
            ended = [
                replace(self._standing[name], ended=now, ended_by=by)
                for name in ids
                if name in self._standing
            ]
            if not ended:
                return []
            self._commit(ended)
            for decision in ended:
                self._remove(decision)
            self.state.ended += len(ended)
        self._tell([decision.id for decision in ended])
        return ended

    def expire(self, now: int) -> list[Decision]:
        """End what has expired, and write what could not be written."""
        due: list[str] = []
        with self._lock:
            while self._expiries and self._expiries[0][0] <= now:
                until, name = heapq.heappop(self._expiries)
                decision = self._standing.get(name)
                if decision is not None and decision.until == until:
                    due.append(name)
            if self._unsaved:
                self._commit([])
        return self.end(due, now, EXPIRY)

    def next_expiry(self) -> int:
        """Return when the next decision expires, in nanoseconds; 0 when none does."""
        with self._lock:
            return self._expiries[0][0] if self._expiries else 0

    def touching(self, target: Target) -> list[Decision]:
        """Return what is in force against a target, a part of it, or a network around it."""
        network = network_of(target)
        if network is None:
            found = self.against(target)
        elif network.prefixlen < network.max_prefixlen:
            found = [each for each in self.all_in_force() if _shares_addresses(each, network)]
        else:
            with self._lock:
                lengths = [key[1] for key in self._lengths if key[0] == network.version]
            around = (network.supernet(new_prefix=length) for length in lengths)
            nets = (network_target(each) for each in around)
            found = [each for one in (target, *nets) for each in self.against(one)]
        return [each for each in found if not each.dry_run]

    def note(self, author: str, act: str, now: int, decision: str = "", detail: str = "") -> None:
        """Keep what a person did; what cannot be written is logged only."""
        _log.info("%s: %s %s %s", author, act, decision, detail)
        try:
            self.book.note(
                AuditEntry(self._identities.new(now), now, author, act, decision, detail)
            )
        except StoreError as error:
            self._fault(error)

    def _commit(self, decisions: list[Decision], *, must: bool = False) -> None:
        waiting = [*self._unsaved, *decisions]
        try:
            self.book.save(waiting)
        except StoreDataError:
            self._unsaved.clear()
            self._commit_each(waiting, must=must)
        except StoreError as error:
            if must:
                raise
            self._keep_waiting(decisions, error)
        else:
            self._unsaved.clear()
            if self.state.fault:
                self.state.fault = ""
                _log.warning("the ledger is written again")

    def _commit_each(self, decisions: list[Decision], *, must: bool) -> None:
        """Write one by one, since the store will not take one of them: only that one is lost."""
        for index, decision in enumerate(decisions):
            try:
                self.book.save([decision])
            except StoreDataError as error:
                self.state.lost += 1
                _log.error("decision %s: %s", decision.id, error, extra={"limit": "ledger"})
                if must and index == len(decisions) - 1:  # What must be written is the last.
                    raise
            except StoreError as error:
                self._keep_waiting(decisions[index : -1 if must else None], error)
                if must:
                    raise
                return

    def _keep_waiting(self, decisions: list[Decision], error: StoreError) -> None:
        """Keep what could not be written, as much as fits, until the store can be."""
        self._fault(error)
        self.state.lost += max(0, len(self._unsaved) + len(decisions) - MAX_UNSAVED)
        self._unsaved.extend(decisions)

    def _fault(self, error: StoreError) -> None:
        if not self.state.fault:
            _log.error("the ledger cannot be written, blocking goes on: %s", error)
        self.state.fault = str(error)

    def _insert(self, decision: Decision) -> None:
        name = decision.id
        if name not in self._standing:
            value = decision.target.value
            self._by_target[value] = (*self._by_target.get(value, ()), name)
            self._enforced += not decision.dry_run
            if (key := _length(decision.target)) is not None:
                self._lengths[key] += 1
        self._standing[name] = decision
        if decision.until:
            heapq.heappush(self._expiries, (decision.until, name))
        self._tidy()

    def _remove(self, decision: Decision) -> None:
        del self._standing[decision.id]
        self._enforced -= not decision.dry_run
        if (key := _length(decision.target)) is not None:
            self._lengths[key] -= 1
            self._lengths += Counter()  # Drops what has come to zero.
        value = decision.target.value
        left = tuple(name for name in self._by_target[value] if name != decision.id)
        if left:
            self._by_target[value] = left
        else:
            del self._by_target[value]
        self._tidy()

    def _tidy(self) -> None:
        """Forget the expiries of what was revoked or extended, once they are most."""
        if len(self._expiries) > 2 * len(self._standing) + 1024:
            self._expiries = [
                (each.until, each.id) for each in self._standing.values() if each.until
            ]
            heapq.heapify(self._expiries)

    def _tell(self, ids: Sequence[str]) -> None:
        if self.on_change is not None:
            self.on_change(ids)


def effect(decision: Decision) -> tuple[object, ...]:
    """Return what a decision does, whoever decided it and for however long."""
    return (
        decision.target,
        decision.action,
        decision.direction,
        decision.pattern,
        decision.rate,
        decision.responders,
        decision.dry_run,
    )


def _extended(before: Decision, after: Decision) -> Decision:
    """Return the decision that stands, with the later of both ends and the reason for it."""
    if not before.until or (after.until and after.until <= before.until):
        return before
    return replace(
        before,
        until=after.until,
        reason=after.reason,
        rule=after.rule,
        finding=after.finding,
        by=after.by,
    )


def _length(target: Target) -> tuple[int, int] | None:
    """Return IP version and prefix length of a network; None for anything else."""
    network = network_of(target) if target.kind is TargetKind.PREFIX else None
    return None if network is None else (network.version, network.prefixlen)


def _shares_addresses(decision: Decision, network: Network) -> bool:
    own = network_of(decision.target)
    return own is not None and own.version == network.version and own.overlaps(network)
