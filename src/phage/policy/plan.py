"""The plan: what other rules would have done to the flows of the last days.

Two rule sets are asked about the first packet of each flow: the one in force, and the candidate. A
flow is judged by its ends and its service; what only a packet shows, as rates and numbers of open
connections, is not judged, and rules that ask for it are named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.evaluate import Traffic, evaluate
from phage.policy.rule import Mode
from phage.policy.services import ICMP, ICMPV6, PORTED, protocol_name
from phage.policy.sorting import PartyClasses, destination_ports, source_ports
from phage.records.packetrule import PacketAction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.evaluate import Verdict
    from phage.policy.facts import Facts
    from phage.policy.rule import Rule
    from phage.policy.ruleset import RuleSet
    from phage.store.repositories.flowgroups import FlowGroup

MAX_VERDICTS = 100_000
"""Verdicts that are remembered; more are asked for anew."""

MAX_HOSTS = 10_000
"""Hosts of one rule that are told apart."""

MAX_CHANGES = 50_000
"""Changes of one host by one rule that are told apart; more are counted together."""

_DECIDING = frozenset({PacketAction.ACCEPT, PacketAction.DROP, PacketAction.REJECT})
_BLOCKING = frozenset({PacketAction.DROP, PacketAction.REJECT})


@dataclass
class RuleEffect:
    """What one rule of the candidate does to the flows, or in dry run would do.

    Attributes:
        rule: The rule.
        flows: Flows that it means and no rule before it decided.
        octets: Octets of these.
        sources: Addresses that began them, the first MAX_HOSTS.
        destinations: Addresses that they went to, the first MAX_HOSTS.
        ours: How many of `sources` are ours.
    """

    rule: Rule
    flows: int = 0
    octets: int = 0
    sources: set[str] = field(default_factory=set)
    destinations: set[str] = field(default_factory=set)
    ours: int = 0

    @property
    def is_certain(self) -> bool:
        """Tell whether flows show all that the rule asks for."""
        match = self.rule.match
        return match.rate is None and not match.connections and self.rule.rate is None


@dataclass
class Change:
    """Flows of one host whose fate changes.

    Attributes:
        host: The address that begins them.
        is_ours: Whether it is at home.
        before: What happens to them by the rules in force.
        after: What happens to them by the candidate.
        rule: The rule that makes the difference: of the candidate where it blocks, else of the
            rules in force; '' for a default or the allow-list.
        flows: How many.
        octets: Of these.
        example: One of them: "192.0.2.7 tcp/443".
    """

    host: str
    is_ours: bool
    before: PacketAction
    after: PacketAction
    rule: str
    flows: int = 0
    octets: int = 0
    example: str = ""

    @property
    def is_block(self) -> bool:
        """Tell whether flows that pass now would be blocked."""
        return self.after in _BLOCKING and self.before not in _BLOCKING


@dataclass
class Plan:
    """What the candidate would have done.

    Attributes:
        flows: Flows that were looked at.
        octets: Their octets.
        blocked: Flows that would have been blocked and are not now.
        freed: Flows that are blocked now and would have passed.
        effects: What each rule does, in the order in which they are asked.
        changes: What changes for whom: our own hosts that are blocked come first.
        uncounted: Flows of changes beyond MAX_CHANGES.
    """

    flows: int = 0
    octets: int = 0
    blocked: int = 0
    freed: int = 0
    effects: list[RuleEffect] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    uncounted: int = 0


def make_plan(
    groups: Iterable[FlowGroup],
    now_rules: RuleSet,
    candidate: RuleSet,
    facts: Facts,
    *,
    as_enforced: bool = False,
) -> Plan:
    """Ask both rule sets about all flows.

    Args:
        groups: The flows, in groups told apart by `needs` of both rule sets.
        now_rules: The rules in force.
        candidate: The rules that might be.
        facts: What is known of the world, now: of the past, nobody noted it.
        as_enforced: Take the candidate's rules in dry run as if they were enforced.
    """
    planner = _Planner(now_rules, candidate, facts, as_enforced=as_enforced)
    for group in groups:
        planner.add(group)
    return planner.result()


@frozen
class Needs:
    """By what flows must be told apart for some rules."""

    source_ports: bool = False
    minutes: bool = False


def needs(*rulesets: RuleSet) -> Needs:
    """Return by what flows must be told apart for rule sets."""
    rules = [ready for ruleset in rulesets for ready in ruleset.packet_rules]
    return Needs(
        source_ports=any(ready.rule.match.source_ports for ready in rules),
        minutes=any(ready.conditions.times or ready.conditions.not_times for ready in rules),
    )


@frozen
class _Outcome:
    """What both rule sets say of flows that they cannot tell apart.

    Attributes:
        before: What happens by the rules in force.
        after: What happens by the candidate.
        rule: Name of the rule that makes the difference; '' for none.
        met: Rules of the candidate that mean the flows.
    """

    before: PacketAction
    after: PacketAction
    rule: str
    met: tuple[Rule, ...]


class _Planner:
    """Counts what the rule sets say of one group of flows after the other."""

    def __init__(
        self, now_rules: RuleSet, candidate: RuleSet, facts: Facts, *, as_enforced: bool
    ) -> None:
        self._now_rules, self._candidate, self._facts = now_rules, candidate, facts
        self._as_enforced = as_enforced
        self._needs = needs(now_rules, candidate)
        self._classes = PartyClasses((now_rules, candidate), facts)
        self._ports = destination_ports((now_rules, candidate))
        self._source_ports = source_ports((now_rules, candidate))
        self._outcomes: dict[tuple[int, ...], _Outcome] = {}
        self._effects = {
            ready.rule.name: RuleEffect(ready.rule) for ready in candidate.packet_rules
        }
        self._changes: dict[tuple[str, str, str, str], Change] = {}
        self._plan = Plan()

    def add(self, group: FlowGroup) -> None:
        """Count one group."""
        source = self._classes.number(group.src, group.src_mac)
        outcome = self._outcome(group, source)
        is_ours = self._classes.is_local(source)
        plan = self._plan
        plan.flows += group.flows
        plan.octets += group.octets
        for rule in outcome.met:
            self._count(self._effects[rule.name], group, is_ours=is_ours)
        before, after = outcome.before, outcome.after
        if before is not after:
            self._note(group, outcome, is_ours=is_ours)
            plan.blocked += group.flows * (after in _BLOCKING and before not in _BLOCKING)
            plan.freed += group.flows * (before in _BLOCKING and after not in _BLOCKING)

    def result(self) -> Plan:
        """Return the plan."""
        self._plan.effects = list(self._effects.values())
        self._plan.changes = sorted(self._changes.values(), key=_urgency)
        return self._plan

    def _outcome(self, group: FlowGroup, source: int) -> _Outcome:
        destination = self._classes.number(group.dst)
        port = group.src_port if group.protocol in {ICMP, ICMPV6} else group.dst_port
        key = (
            source,
            destination,
            group.protocol,
            self._ports.number(port),
            self._source_ports.number(group.src_port),
            group.vlan,
            group.minute,
        )
        found = self._outcomes.get(key)
        if found is None:
            if len(self._outcomes) >= MAX_VERDICTS:
                self._outcomes.clear()
            found = self._outcomes[key] = self._ask(group, source, destination, port)
        return found

    def _ask(self, group: FlowGroup, source: int, destination: int, port: int) -> _Outcome:
        is_ported = group.protocol in PORTED
        traffic = Traffic(
            source=self._classes.member(source),
            destination=self._classes.member(destination),
            protocol=group.protocol,
            port=port if is_ported or group.protocol in {ICMP, ICMPV6} else None,
            source_port=group.src_port if is_ported and self._needs.source_ports else None,
            vlan=group.vlan,
        )
        moment = group.minute or group.last
        before = evaluate(self._now_rules, traffic, self._facts, moment)
        after = evaluate(
            self._candidate, traffic, self._facts, moment, as_enforced=self._as_enforced
        )
        deciding = after.rule if after.action in _BLOCKING or before.rule is None else before.rule
        name = deciding.name if deciding is not None else ""
        return _Outcome(before.action, after.action, name, _met(after))

    def _count(self, effect: RuleEffect, group: FlowGroup, *, is_ours: bool) -> None:
        effect.flows += group.flows
        effect.octets += group.octets
        if group.src not in effect.sources and len(effect.sources) < MAX_HOSTS:
            effect.sources.add(group.src)
            effect.ours += is_ours
        if len(effect.destinations) < MAX_HOSTS:
            effect.destinations.add(group.dst)

    def _note(self, group: FlowGroup, outcome: _Outcome, *, is_ours: bool) -> None:
        key = (group.src, outcome.before, outcome.after, outcome.rule)
        change = self._changes.get(key)
        if change is None:
            if len(self._changes) >= MAX_CHANGES:
                self._plan.uncounted += group.flows
                return
            change = self._changes[key] = Change(
                group.src,
                is_ours,
                outcome.before,
                outcome.after,
                outcome.rule,
                example=_text(group),
            )
        change.flows += group.flows
        change.octets += group.octets


def _met(verdict: Verdict) -> tuple[Rule, ...]:
    """Return the rules that mean the traffic; of those in dry run, up to the first that decides.

    So each is counted as if it alone were enforced.
    """
    met: list[Rule] = []
    is_decided = False
    for step in verdict.steps:
        if step.why_not or (is_decided and step.rule.mode is Mode.DRY_RUN and not step.decides):
            continue
        met.append(step.rule)
        is_decided = is_decided or step.effect in _DECIDING
    return tuple(met)


def _urgency(change: Change) -> tuple[bool, bool, int, str]:
    """Order changes: blocks first, of these our own hosts first, then the most flows."""
    return (not change.is_block, not change.is_ours, -change.flows, change.host)


def _text(group: FlowGroup) -> str:
    port = f"/{group.dst_port}" if group.protocol in PORTED else ""
    return f"{group.dst} {protocol_name(group.protocol)}{port}"
