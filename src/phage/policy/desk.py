"""The desk: turns findings into decisions, and takes what people decide by hand.

A finding is shown to the rules; what they want goes through every safety measure on its way to the
ledger. What is not carried out is recorded all the same, as a decision in dry run with the reason:
"would have banned …". Only the ledger is written here; who carries decisions out is told by it.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.frozen import frozen
from phage.policy.budget import Budget
from phage.policy.ledger import LedgerFullError
from phage.policy.target import canonical, network_of, network_target, parse_target
from phage.records.decision import Action, Decision, Direction, TargetKind
from phage.records.finding import FindingState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from phage.policy.allowlist import AllowList
    from phage.policy.intent import Duration, Intent
    from phage.policy.ledger import Ledger
    from phage.records.decision import Target
    from phage.records.finding import Finding
    from phage.records.packetrule import Network

_log = logging.getLogger(__name__)

GUESSING = frozenset({"bruteforce", "loginfail"})
"""Detectors of those who guess passwords: that one is connected is no excuse there."""

MAX_TOLD = 10_000
"""Findings and rules of which it is remembered that somebody was told."""

MAX_LOOKED_UP = 64
"""Newly protected entries that are looked up one by one; for more, everything is looked at."""

LONGEST_REASON = 500
"""Characters of a reason; those of findings hold text from the network."""


class RefusedError(PhageError):
    """A decision may not be made; says why."""


@frozen
class Objection:
    """Why a decision is not carried out: a word to count by, and a sentence for people."""

    kind: str
    why: str


@frozen
class Outcome:
    """What became of one intent, told once.

    Attributes:
        intent: What the rule wanted.
        finding: About which finding.
        decision: What stands in the ledger; None where people or programs are only told.
        objection: Why it is recorded only; None when it is carried out.
    """

    intent: Intent
    finding: Finding
    decision: Decision | None = None
    objection: Objection | None = None


@dataclass
class Desk:
    """Decides. May be used by several threads.

    Attributes:
        ledger: Where decisions stand.
        allow: What may not be decided against.
        decide: Shows a finding to the rules, at a time in nanoseconds.
        budget: How much may be blocked.
        enforce: False to record every decision and carry out none.
        home: Networks that are ours.
        ipv6_prefix: Strangers' IPv6 addresses are banned by networks of this length: a household
            has 2**64 addresses to change between.
        counts: Decisions made and not made, by kind.
    """

    ledger: Ledger
    allow: AllowList
    decide: Callable[[Finding, int], Sequence[Intent]]
    budget: Budget = field(default_factory=Budget)
    enforce: bool = False
    home: Sequence[Network] = ()
    ipv6_prefix: int = 64
    counts: Counter[str] = field(default_factory=Counter, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    _told: OrderedDict[tuple[str, str], None] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def take(self, finding: Finding, now: int) -> list[Outcome]:
        """Decide about a finding that opened or was updated; return what is new."""
        if finding.state is not FindingState.OPEN:
            return []
        outcomes: list[Outcome] = []
        with self._lock:
            for intent in self.decide(finding, now):
                made = list(self._decisions(intent, finding, now))
                outcomes += made
                tells = bool(intent.notify) or (intent.action is None and not intent.run)
                if tells and self._is_news(finding, intent) and not made:
                    outcomes.append(Outcome(intent, finding))
        return outcomes

    def _decisions(self, intent: Intent, finding: Finding, now: int) -> Iterable[Outcome]:
        """Yield the decisions that an intent leads to: by responders, and by scripts it names."""
        if intent.target is None:
            return
        wanted = [(intent.action, intent.responders)] if intent.action is not None else []
        if intent.run:
            wanted.append((intent.action or Action.BAN, intent.run))
        for action, responders in wanted:
            outcome = self._consider(
                replace(intent, action=action, responders=responders), finding, now
            )
            if outcome is not None:
                yield outcome

    def _consider(self, intent: Intent, finding: Finding, now: int) -> Outcome | None:
        """Take one intent to the ledger; None when what it leads to stands already."""
        try:
            decision = self._drafted(intent, finding, now)
        except ValueError as error:
            self.counts["unusable"] += 1
            _log.warning("rule %s: %s", intent.rule, error, extra={"limit": "desk"})
            return None
        if self._stands(decision, intent, now):
            return None
        objection = self._objection(decision, intent, finding, now)
        if objection is not None:
            decision = replace(decision, dry_run=True)
            if self._stands(decision, intent, now):
                return None
        seconds = self._seconds(intent.duration, decision, now)
        decision = replace(
            decision,
            until=now + int(seconds * 1e9),
            reason=_reason(decision, intent.reason, objection),
        )
        try:
            made = self.ledger.add(decision)
        except LedgerFullError as error:
            self.counts["full"] += 1
            _log.error("%s", error, extra={"limit": "desk"})
            return None
        if objection is None:
            self.budget.spend(now)
        self.counts["carried_out" if objection is None else objection.kind] += 1
        return Outcome(intent, finding, made, objection)

    def _drafted(self, intent: Intent, finding: Finding, now: int) -> Decision:
        """Return the decision that a rule wants, before anything is asked. ValueError."""
        if intent.target is None or intent.action is None:
            message = "there is nobody to act against"
            raise ValueError(message)
        draft = Decision(
            target=canonical(intent.target),
            action=intent.action,
            reason=intent.reason,
            start=now,
            until=now + 1,
            rule=intent.rule,
            finding=finding.id,
            direction=intent.direction,
            pattern=intent.pattern,
            rate=intent.rate,
            responders=intent.responders,
            spoofable=finding.spoofable,
        )
        wide = self._widened(draft)
        return wide if self.allow.objection(wide) == "" else draft

    def _widened(self, decision: Decision) -> Decision:
        """Return a decision against the network of a stranger's IPv6 address."""
        network = network_of(decision.target)
        if (
            network is None
            or network.version == 4
            or network.prefixlen <= self.ipv6_prefix
            or network.is_link_local
            or decision.direction is Direction.TO
            or decision.action is Action.QUARANTINE
            or self._is_home(decision.target)
        ):
            return decision
        wide = network.supernet(new_prefix=self.ipv6_prefix)
        return replace(decision, target=network_target(wide))

    def _is_home(self, target: Target) -> bool:
        network = network_of(target)
        return network is not None and any(
            network.version == ours.version and network.subnet_of(ours)  # type: ignore[arg-type]
            for ours in self.home
        )

    def _stands(self, decision: Decision, intent: Intent, now: int) -> bool:
        """Tell whether it was decided already, so that a finding's updates decide nothing new.

        A rule that wants it for much longer than another decided is heard.
        """
        standing = self.ledger.same_effect(decision)
        if standing is None:
            return False
        first = int(intent.duration.first * 1e9)
        return (
            standing.rule == intent.rule
            or not standing.until
            or now + first - first // 2 <= standing.until
        )

    def _objection(
        self, decision: Decision, intent: Intent, finding: Finding, now: int
    ) -> Objection | None:
        """Return why a rule's decision is only recorded; the gravest reason first."""
        forbidden = self._prohibition(decision, finding, now)
        if forbidden is not None:
            return forbidden
        if intent.dry_run:
            return Objection("dry_run", "the rule is in dry run")
        if not self.enforce:
            return Objection("off", "enforcing is off (policy.enforce)")
        why = self.budget.refusal(self.ledger.enforced, now)
        if why:
            _log.warning("not blocked: %s", why, extra={"limit": "budget"})
            return Objection("budget", why)
        return None

    def _prohibition(self, decision: Decision, finding: Finding, now: int) -> Objection | None:
        """Return why no rule may make a decision, whatever its mode."""
        if finding.spoofable and not self._spares_sources(decision):
            return Objection("spoofable", "the evidence is one-way, and its source may be forged")
        why = self.allow.objection(decision, guessing=finding.detector in GUESSING)
        if why:
            return Objection("allow_list", why)
        who = self.ledger.pardon(decision.rule, decision.target, now)
        return Objection("pardoned", f"{who} revoked the same before") if who else None

    def _spares_sources(self, decision: Decision) -> bool:
        """Tell whether a decision is about packets to one of ours, not about who sent any."""
        return decision.direction is Direction.TO and (
            self._is_home(decision.target) or self.allow.is_own(decision.target)
        )

    def _seconds(self, duration: Duration, decision: Decision, now: int) -> float:
        """Return how long a decision lasts: longer for who comes again."""
        times = self.ledger.times_before(
            decision.rule,
            decision.target,
            now - int(duration.memory * 1e9),
            now,
            dry_run=decision.dry_run,
        )
        try:
            longer = duration.first * duration.factor**times
        except OverflowError:
            longer = duration.longest
        return max(1.0, min(longer, duration.longest))

    def _is_news(self, finding: Finding, intent: Intent) -> bool:
        """Tell whether nobody was told yet of a finding by a rule."""
        key = (finding.id, intent.rule)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        return True

    def add(self, wanted: Decision) -> Decision:
        """Make a decision that a person asked for; return what stands.

        It is recorded only while enforcing is off.

        Raises:
            RefusedError: The target makes no sense or is on the allow-list, or the budget is
                used up.
            StoreError: It has no end and cannot be written.
            LedgerFullError: No more fit.
        """
        try:
            decision = replace(wanted, target=canonical(wanted.target))
        except ValueError as error:
            raise RefusedError(str(error)) from error
        why = self.allow.objection(decision)
        if why:
            raise RefusedError(why)
        if not self.enforce:
            decision = replace(
                decision,
                dry_run=True,
                reason=_reason(
                    decision, decision.reason, Objection("off", "enforcing is off (policy.enforce)")
                ),
            )
        with self._lock:
            if self.enforce and self.ledger.enforced >= self.budget.in_all:
                raise RefusedError(self.budget.refusal(self.ledger.enforced, decision.start))
            made = self.ledger.add(decision)
            self.counts["off" if made.dry_run else "carried_out"] += 1
        self.ledger.note(decision.by, "add", decision.start, made.id, str(made.target.value))
        return made

    def revoke(self, ids: Iterable[str], now: int, by: str) -> list[Decision]:
        """End decisions that a person names; return those that stood."""
        ended = self.ledger.end(ids, now, by)
        for decision in ended:
            self.ledger.note(by, "revoke", now, decision.id, decision.target.value)
        return ended

    def respect(self, protected: Collection[str], now: int) -> list[Decision]:
        """End what stands against what has just been put on the allow-list."""
        if len(protected) > MAX_LOOKED_UP:
            return self.review(now)
        return self._end_protected(
            [each for value in protected for each in self.ledger.touching(parse_target(value))], now
        )

    def review(self, now: int) -> list[Decision]:
        """End all that stands against the allow-list, as after a start with other settings."""
        return self._end_protected(self.ledger.all_in_force(), now)

    def _end_protected(self, decisions: Iterable[Decision], now: int) -> list[Decision]:
        met = [each.id for each in decisions if self.allow.objection(each, guessing=True)]
        ended = self.ledger.end(dict.fromkeys(met), now, "allow-list")
        for decision in ended:
            _log.warning("%s is on the allow-list: no longer blocked", decision.target.value)
        return ended


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks of their texts. Raises ValueError."""
    return tuple(ipaddress.ip_network(text) for text in texts)


_DONE = {
    Action.BAN: "banned",
    Action.REJECT: "rejected",
    Action.LIMIT: "limited",
    Action.QUARANTINE: "quarantined",
}


def _reason(decision: Decision, reason: str, objection: Objection | None) -> str:
    """Return the reason as the ledger keeps it: what would have been done, and why it was not."""
    text = reason[:LONGEST_REASON]
    if objection is None:
        return text
    name = decision.target.value
    if decision.target.kind is TargetKind.DEVICE:
        name = f"device {name}"
    told = text.rstrip(".")
    return f"would have {_DONE[decision.action]} {name}: {told}; not done: {objection.why}"
