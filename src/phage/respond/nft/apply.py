"""The switch of rule sets: one stands, one may be on trial before it, the last one is kept.

A rule set is swapped in one transaction of the kernel: a packet meets the old rules or the new
ones. On trial, both stand, and a set of the kernel whose elements expire leads packets to the new
rules; so the old ones are in force again when the time is over, whether or not a process is left to
see to it. At its start a process takes back what was not confirmed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.respond.netlink.errors import KernelError
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import OBJECT_COUNTER, OBJECT_LIMIT, Table, generation
from phage.respond.nft import program, saved, surroundings
from phage.respond.nft.layout import TABLE
from phage.respond.nft.names import RuleSetError
from phage.respond.nft.objects import OVERFLOW
from phage.respond.nft.render import compose
from phage.respond.nft.script import Standing, swap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from phage.clock import Clock
    from phage.records.packetrule import PacketRules
    from phage.respond.nft.rendering import Rendering

LONGEST_TRIAL_SECONDS = 86_400.0
"""Who has not confirmed in a day will not."""

_KINDS = {OBJECT_COUNTER: "counter", OBJECT_LIMIT: "limit"}


class RuleSwitch:
    """Brings rule sets into force in the table of this network namespace. For one thread.

    Made inert; `restore` comes first. Needs CAP_NET_ADMIN and nft.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        vlans: Callable[[], Mapping[int, tuple[str, ...]]] = surroundings.vlan_interfaces,
    ) -> None:
        """Keep the state in the file `path`; `vlans` tells which interfaces carry a VLAN."""
        self._path = path
        self._clock = clock
        self._read_vlans = vlans
        self._vlans: Mapping[int, tuple[str, ...]] = {}
        self._link = Link()
        self._table = Table(TABLE)
        self._saved = saved.Saved()
        self._seen: tuple[int, dict[str, tuple[int, int]]] = (0, {})
        self._hits: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        """Bring what stood into force again, without what was not confirmed.

        Raises StateError when what stood is not known any more; the kernel is left as it is then.
        """
        self._saved = saved.load(self._path)
        if self._saved.trial:
            self._become(replace(self._saved, trial=None, until=0))
        elif self._saved.standing:
            self._install(self._saved)
        self._count(0)  # What was counted before was seen nobody knows when.
        self._hits = {rule: (packets, 0) for rule, (packets, _) in self._hits.items()}

    @property
    def trial_until(self) -> int:
        """When the rule set on trial rolls back, in ns since the Unix epoch; 0 if there is none."""
        return self._saved.until if self._saved.trial else 0

    def apply(self, rules: PacketRules, confirm: float) -> None:
        """Bring a rule set into force; for `confirm` seconds only unless confirmed, 0 for good.

        What is on trial already gives way to it. Raises RuleSetError; what was in force is then
        still in force.
        """
        if not 0 <= confirm <= LONGEST_TRIAL_SECONDS:
            message = f"a rule set is tried for up to a day, not {confirm} s"
            raise RuleSetError(message)
        now = self._saved
        slot = "b" if now.standing and now.standing.slot == "a" else "a"
        rendering = compose(rules, slot)
        if confirm:
            until = self._clock.now() + int(confirm * 1e9)
            self._become(replace(now, trial=rendering, until=until))
        else:
            self._become(replace(now, standing=rendering, previous=now.standing, trial=None))

    def confirm(self) -> None:
        """Let the rule set on trial stand for good. Raises RuleSetError when it is too late."""
        now = self._saved
        if now.trial is None:
            message = "no rule set waits to be confirmed"
            raise RuleSetError(message)
        if self._clock.now() >= now.until:
            self.roll_back()
            message = "the time to confirm is over; the rules before are in force again"
            raise RuleSetError(message)
        after = saved.Saved(standing=now.trial, previous=now.standing, loose=now.loose)
        self._become(after)

    def roll_back(self) -> None:
        """Take back what is on trial, else return to the rule set before the one in force."""
        now = self._saved
        if now.trial:
            self._become(replace(now, trial=None, until=0))
        elif now.standing:
            self._become(replace(now, standing=now.previous, previous=None))
        else:
            message = "there is no rule set to go back from"
            raise RuleSetError(message)

    def tick(self, now: int) -> None:
        """Do what is due at a time (ns since the Unix epoch); called about once a second.

        Rolls back what was not confirmed in time, follows VLAN interfaces, brings back rules that
        somebody else removed, reads the counters.
        """
        if self._saved.trial and now >= self._saved.until:
            self.roll_back()
        elif self._is_disturbed():
            self._install(self._saved)
        self._count(now)

    def hits(self) -> list[tuple[str, int, int]]:
        """Return rule, packets since the rule stands, and when the last was seen (0: never).

        As of the last `tick`. Packets of rules that share a name are added up.
        """
        return [(rule, *self._hits.get(rule, (0, 0))) for rule in self._counters().values()]

    def overflow(self) -> int:
        """Return how many packets passed because a limit had no room for their source."""
        return self._table.counters(self._link).get(OVERFLOW, (0, 0))[0]

    def close(self) -> None:
        """Let go of the socket; the rules stay in force."""
        self._link.close()

    def _become(self, after: saved.Saved) -> None:
        """Bring a state into force and write it down.

        What is tried is written down before, so that it cannot outlive this process unseen.
        """
        before, written = self._saved, after
        if after.trial:
            saved.save(self._path, after)
        try:
            after = self._install(after)
        except PhageError:
            if after.trial:
                saved.save(self._path, before)
            raise
        self._saved = after
        if not after.trial or after != written:
            saved.save(self._path, after)

    def _install(self, state: saved.Saved) -> saved.Saved:
        """Make the kernel hold exactly what a state says; return it as it is then."""
        strict = any(each.strict for each in (state.standing, state.trial) if each)
        if strict:
            # Each time, since the machine may have been started anew.
            before = surroundings.make_strict()
            state = replace(state, loose=state.loose or before)
        self._vlans = self._read_vlans()
        trial = None
        if state.trial:
            left = max(1, (state.until - self._clock.now()) // 1_000_000)
            trial = (state.trial, left)
        program.load(swap(state.standing, trial, self._standing(), self._vlans))
        if state.loose and not strict:
            surroundings.make_loose(state.loose)
            state = replace(state, loose="")
        self._seen = (generation(self._link), self._chains(state))
        return state

    def _standing(self) -> Standing:
        chains, sets, objects = self._table.names(self._link)
        known = {(_KINDS[kind], name) for kind, name in objects if kind in _KINDS}
        return Standing(frozenset(chains), frozenset(sets), frozenset(known))

    def _chains(self, state: saved.Saved) -> dict[str, tuple[int, int]]:
        """Return handle and use of each chain of ours, which tell when somebody changed them."""
        names = {chain.name for each in _in_force(state) for chain in each.chains}
        names |= {entry.base for each in _in_force(state) for entry in each.entries}
        return {name: self._table.chain_state(self._link, name) for name in sorted(names)}

    def _is_disturbed(self) -> bool:
        if not _in_force(self._saved):
            return False
        follows = any(each.vlan_sets for each in _in_force(self._saved))
        if follows and self._read_vlans() != self._vlans:
            return True
        number, chains = self._seen
        now = generation(self._link)
        if now == number:
            return False
        if self._chains(self._saved) != chains:
            return True
        self._seen = (now, chains)
        return False

    def _counters(self) -> dict[str, str]:
        return {name: rule for each in _in_force(self._saved) for name, rule in each.counters}

    def _count(self, now: int) -> None:
        try:
            read = self._table.counters(self._link)
        except KernelError:
            return
        fresh = {}
        for name, rule in self._counters().items():
            packets = read.get(name, (0, 0))[0]
            before, last = self._hits.get(rule, (0, 0))
            fresh[rule] = (packets, now if packets > before else last)
        self._hits = fresh


def _in_force(state: saved.Saved) -> list[Rendering]:
    return [each for each in (state.standing, state.trial) if each]
