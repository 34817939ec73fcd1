"""Phage's bans in the kernel: what is in force, and how it is changed in one transaction.

Each transaction names the generation of the rule sets that it was made for. When somebody else has
changed a rule set since, the kernel refuses it; then it is looked whether ours still stands, and
what was flushed is put back from memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import socket
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.respond.bans.building import Builder, Content, Standing
from phage.respond.bans.chains import COUNTER_FROM, COUNTER_TO, COUNTING
from phage.respond.netlink.errors import AbsentError, GenerationError, KernelError
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import Table, generation
from phage.respond.nft import layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from phage.respond.bans.building import BulkList
    from phage.respond.bans.members import Change, Members
    from phage.respond.bans.places import Network, Place
    from phage.respond.bans.special import Special
    from phage.respond.netlink.messages import Request

TRIES = 8
"""Others may change their rules between our look and our change; eight times in a row they do not.
"""


ASKED = 1024
"""Keys that are asked for at a time: some milliseconds, in which no decision is carried out."""
AT_ONCE = 512
"""Keys of one question, whose answers the socket has room for."""


@frozen
class Marks:
    """How our table looked after our last change, as far as it is cheap to tell.

    Attributes:
        table: Its handle; a table made anew has another.
        chains: Handle and use of our chains.
        sets: Handles of our sets.
        devices: Numbers of the interfaces at whose ingress we are.
    """

    table: int
    chains: Mapping[str, tuple[int, int]]
    sets: Mapping[str, int]
    devices: Mapping[str, int]


@dataclass(slots=True)
class BanTable:
    """The bans in one network namespace. Inert until the first change.

    Attributes:
        devices: Interfaces at whose ingress bans are asked first; those that do not exist are
            left out until they do.
        link: The socket to the kernel.
        content: What is in force.
        heals: How often what somebody else removed was put back.
    """

    devices: tuple[str, ...] = ()
    link: Link = field(default_factory=Link)
    table: Table = field(default_factory=lambda: Table(layout.TABLE))
    content: Content = field(default_factory=Content)
    heals: int = 0
    _counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    _marks: Marks | None = None
    _generation: int = 0
    _unasked: Iterator[tuple[Place, bytes]] | None = None
    """Keys that were not asked for since somebody else changed a rule set."""
    _changed: bool = False
    """Somebody did since these were begun."""

    def change(
        self,
        changes: Sequence[Change],
        now: int,
        come: Mapping[str, Special] = MappingProxyType({}),
        gone: Collection[str] = (),
    ) -> None:
        """Bring changes of sets, and of decisions with rules of their own, into force.

        All or nothing. Raises KernelError; then nothing has changed.
        """
        before = self.content
        gone_places = _own_places(before.specials, gone) - _own_places(come, come)
        kept = {id_: each for id_, each in before.specials.items() if id_ not in gone}
        specials = {**kept, **come}
        places = (before.places | {each.place for each in changes}) - gone_places
        after = dataclasses.replace(before, places=places, specials=specials)
        if self._marks is None:
            self._first(changes, after, now)
            return
        builder = Builder(self.table, now)
        wider = (places, specials) != (before.places, before.specials)
        counted = self._counts() if wider else {}
        if wider:
            builder.reshape(after.shape(tuple(self._numbers())), before, after)
        builder.alter(each for each in changes if each.place in places)
        if builder.requests:
            self._commit(builder.requests, now)
        before.members.keep(changes)
        for place in gone_places:
            before.members.forget(place)
        self.content = after
        if wider:
            self._rewritten(counted)

    def ensure(self, now: int) -> None:
        """Make the table, if that was not done yet. Raises KernelError."""
        if self._marks is None:
            self._whole(self.content, now)

    def replace(self, members: Members, specials: Mapping[str, Special], now: int) -> None:
        """Bring exactly these into force; lists and the allow-list stay. Raises KernelError."""
        old = self.content
        self._whole(Content(members, members.places, specials, old.lists, old.allow), now)

    def protect(self, networks: Sequence[Network], now: int) -> None:
        """Set the allow-list: what is in it is never banned. Raises KernelError.

        Cheap when it is set already: whoever knows the list tells it again and again, as a process
        that is new here knows nothing of what was told to the last.
        """
        after = dataclasses.replace(self.content, allow=tuple(networks))
        if self._marks is not None and after.allow == self.content.allow:
            return
        if self._marks is None:
            self._whole(after, now)
            return
        builder = Builder(self.table, now)
        builder.fill_allow(networks)
        self._commit(builder.requests, now)
        self.content = after

    def change_lists(
        self, lists: Mapping[str, BulkList], requests: Sequence[Request], now: int, *, wider: bool
    ) -> None:
        """Bring bulk lists into force; `requests` change their sets. Raises KernelError.

        With `wider` sets come or go, and the rules are written anew around the requests.
        """
        before = self.content
        after = dataclasses.replace(before, lists=lists)
        counted = self._counts() if wider else {}
        if wider:
            builder = Builder(self.table, now)
            builder.reshape(after.shape(tuple(self._numbers())), before, after, requests)
            requests = builder.requests
        self._commit(requests, now)
        self.content = after
        if wider:
            self._rewritten(counted)

    def clear(self) -> None:
        """Take everything out at once: bans, lists, static rules. Raises KernelError."""
        with contextlib.suppress(AbsentError):
            self.link.transact([self.table.delete()])
        self.content = Content(allow=self.content.allow)
        self._marks = None

    def is_disturbed(self, now: int) -> bool:
        """Tell whether somebody else changed what is ours. One question when nobody did anything.

        A single key that is removed by hand goes unseen here, unless it is the one asked for:
        `has_lost` finds it.
        """
        if self._marks is None:
            return not self.content.is_empty
        if self._numbers() != self._marks.devices:
            return True
        if generation(self.link) == self._generation:
            return False
        return not self._stands(now)

    def has_lost(self, now: int) -> bool:
        """Tell whether a key is gone; to be asked again and again.

        After each change that somebody else made of any rule set, every key is asked for once: some
        at a time, each time where the last ended. Raises KernelError.
        """
        if self._unasked is None:
            if not self._changed:
                return False
            self._changed = False
            self._unasked = self.content.members.keys()
        sets: dict[Place, list[bytes]] = {}
        count = 0
        for place, key in itertools.islice(self._unasked, ASKED):
            sets.setdefault(place, []).append(key)
            count += 1
        if count < ASKED:
            self._unasked = None
        return any(self._lacks(place, keys, now) for place, keys in sets.items())

    def _lacks(self, place: Place, keys: Sequence[bytes], now: int) -> bool:
        standing = [key for key in keys if self.content.members.must_stand(place, key, now)]
        return any(
            not self.table.has_elements(self.link, place.name, *standing[at : at + AT_ONCE])
            for at in range(0, len(standing), AT_ONCE)
        )

    def heal(self, now: int) -> None:
        """Write everything anew, as it was before somebody changed it. Raises KernelError."""
        self._build(now)
        self.heals += 1

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets by counter, since this process began. No set is listed."""
        return {**_sum(self._counted, self._counts()), **self.table.counters(self.link)}

    def close(self) -> None:
        """Close the socket; what is in force stays."""
        self.link.close()

    def _counts(self) -> dict[str, tuple[int, int]]:
        """Return what our rules have counted since they were written."""
        counted: dict[str, tuple[int, int]] = {COUNTER_FROM: (0, 0), COUNTER_TO: (0, 0)}
        for chain in COUNTING:
            counted = _sum(counted, self.table.counts(self.link, chain))
        return counted

    def _first(self, changes: Sequence[Change], after: Content, now: int) -> None:
        """Build with the changes; forget them if that fails."""
        after.members.keep(changes)
        try:
            self._whole(after, now)
        except KernelError:
            after.members.keep(each.undone() for each in changes)
            raise

    def _whole(self, after: Content, now: int) -> None:
        before, self.content = self.content, after
        try:
            self._build(now)
        except KernelError:
            self.content = before
            raise

    def _build(self, now: int) -> None:
        """Write all of it anew in one transaction."""
        for _ in range(TRIES):
            number = generation(self.link)
            standing = Standing.look(self.table, self.link)
            # What an earlier process counted is not ours to tell.
            counted = self._counts() if self._marks is not None else {}
            try:
                self._build_over(standing, number, now)
            except GenerationError:
                continue
            self._rewritten(counted)
            self._unasked, self._changed = None, False
            return
        raise KernelError(errno.EAGAIN, "bring the bans into force", "others change rules")

    def _build_over(self, standing: Standing, number: int, now: int) -> None:
        if self._marks is None:
            self.content = dataclasses.replace(
                self.content, lists={**standing.lists(), **self.content.lists}
            )
        shape = self.content.shape(tuple(self._numbers()))
        builder = Builder(self.table, now)
        builder.build(shape, self.content, standing, self.link)
        try:
            self.link.transact(builder.requests, number)
        except GenerationError:
            raise
        except KernelError as error:
            if not standing.handle or error.number not in (errno.EEXIST, errno.EINVAL, errno.EBUSY):
                raise
            # A table of another layout: an older phage's, or made by hand.
            builder = Builder(self.table, now)
            builder.requests.append(self.table.delete())
            builder.build(shape, self.content, Standing(), self.link)
            self.link.transact(builder.requests, number)
        self._generation = _next(number)

    def _commit(self, requests: Sequence[Request], now: int) -> None:
        """Send a transaction; leave out removals of what has expired meanwhile."""
        remaining = list(requests)
        for _ in range(TRIES):
            try:
                refused = self.link.attempt(remaining, self._generation)
            except GenerationError:
                if not self._stands(now):
                    self.heal(now)
                continue
            if not refused:
                self._generation = _next(self._generation)
                return
            for error in refused.values():
                if not isinstance(error, AbsentError):
                    raise error
            remaining = [each for place, each in enumerate(remaining) if place not in refused]
            if not remaining:
                return
        raise KernelError(errno.EAGAIN, "change the bans", "others change rules all the time")

    def _numbers(self) -> dict[str, int]:
        return {device: number for device in self.devices if (number := _number(device))}

    def _rewritten(self, counted: Mapping[str, tuple[int, int]]) -> None:
        """Keep what the rules before had counted, and note how our table looks."""
        self._counted = _sum(self._counted, counted)
        self._mark()

    def _mark(self) -> None:
        """Note how our table looks; if somebody was at it meanwhile, that will be seen."""
        names = self.content.set_names()
        self._marks = Marks(
            self.table.handle(self.link),
            {
                name: self.table.chain_state(self.link, name)
                for name in Builder.chain_names(tuple(self._numbers()))
            },
            {name: self.table.set_handle(self.link, name) for name in names},
            self._numbers(),
        )

    def _stands(self, now: int) -> bool:
        """Tell whether our table is as we left it, and remember the generation if it is."""
        counted = generation(self.link)
        marks = self._marks
        if marks is None or self.table.handle(self.link) != marks.table:
            return False
        for name, state in marks.chains.items():
            if self.table.chain_state(self.link, name) != state:
                return False
        for name, handle in marks.sets.items():
            if self.table.set_handle(self.link, name) != handle:
                return False
        for name, key in self.content.samples(now):
            if not self.table.has_elements(self.link, name, key):
                return False
        self._generation, self._changed = counted, True
        return True


def _next(counted: int) -> int:
    """Return the generation after: it never is 0."""
    return (counted + 1) & 0xFFFFFFFF or 1


def _sum(
    first: Mapping[str, tuple[int, int]], second: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Add counters up by name."""
    total = dict(first)
    for name, (packets, octets) in second.items():
        before = total.get(name, (0, 0))
        total[name] = (before[0] + packets, before[1] + octets)
    return total


def _own_places(specials: Mapping[str, Special], ids: Iterable[str]) -> set[Place]:
    return {place for id_ in ids if id_ in specials for place, _ in specials[id_].keys}


def _number(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0
