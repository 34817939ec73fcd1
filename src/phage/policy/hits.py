"""Hits of rules: from counters that begin at nothing with each rule set to sums that last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.rule import Mode, Verb
from phage.records.rulehits import RuleHits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.rule import Rule
    from phage.policy.ruleset import RuleSet

_DECIDING = frozenset({Verb.BAN, Verb.REJECT, Verb.LIMIT, Verb.QUARANTINE, Verb.RUN})
"""What leaves a decision behind."""

_IN_KERNEL = frozenset({Verb.ACCEPT, Verb.DROP, Verb.REJECT, Verb.LOG, Verb.LIMIT, Verb.QUARANTINE})
"""What the kernel does to packets, and counts."""


class HitMeter:
    """Turns what the kernel counted since a rule set stands into hits to be added up in the store.

    A counter that shows less than before has begun anew. What the first reading shows was counted
    by an earlier phage: counters stand in the kernel for as long as their rules.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] | None = None

    def read(self, counted: Iterable[tuple[str, int, int]], now: int) -> list[RuleHits]:
        """Return what was counted since the last reading: of rules that moved, or that are new.

        Args:
            counted: Each rule, its packets since the rule set stands, and when the last was seen.
            now: The time, in nanoseconds since the Unix epoch.
        """
        hits: list[RuleHits] = []
        seen: dict[str, int] = {}
        known = self._last
        for rule, packets, last in counted:
            if known is None:
                seen[rule] = packets
                hits.append(RuleHits(rule, since=now))
                continue
            before = known.get(rule)
            seen[rule] = packets
            more = packets if before is None or packets < before else packets - before
            if more or before is None:
                hits.append(RuleHits(rule, more, 0, (last or now) if more else 0, now))
        self._last = seen
        return hits


@frozen
class Unused:
    """A rule that was never met.

    Attributes:
        rule: Its name.
        place: Where it stands.
        mode: Whether it acts.
        since: Since when it is counted, in nanoseconds since the Unix epoch; 0 for never: it is not
            in force, or is off.
    """

    rule: str
    place: str
    mode: Mode
    since: int


def summed(hits: Iterable[RuleHits]) -> dict[str, RuleHits]:
    """Add up what several counted of rules, by rule."""
    found: dict[str, RuleHits] = {}
    for each in hits:
        before = found.get(each.rule, RuleHits(each.rule))
        found[each.rule] = RuleHits(
            each.rule,
            before.packets + each.packets,
            before.octets + each.octets,
            max(before.last_hit, each.last_hit),
            before.since or each.since,
        )
    return found


def unused(ruleset: RuleSet, hits: Iterable[RuleHits]) -> list[Unused]:
    """Return the rules that were never met, those that are counted longest first.

    What several counted of one rule is added up. Rules that only tell somebody, or only put a
    service behind the SYN proxy, are left out: nobody counts that.
    """
    counted = summed(hits)
    found = []
    for rule in ruleset.rules:
        hit = counted.get(rule.name, RuleHits(rule.name))
        if rule.mode is not Mode.OFF and _is_counted(rule) and not hit.packets:
            found.append(Unused(rule.name, rule.place.short, rule.mode, hit.since))
    return sorted(found, key=lambda each: (not each.since, each.since))


def _is_counted(rule: Rule) -> bool:
    if not _DECIDING.isdisjoint(rule.actions):
        return True
    if rule.is_about_findings:
        return False
    return rule.mode is Mode.DRY_RUN or not _IN_KERNEL.isdisjoint(rule.actions)
