"""Findings to intents: what the rules want done about a finding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.meaning.matching import Scene
from phage.policy.meaning.roles import RATE, roles_of
from phage.policy.meaning.targets import intents_of
from phage.policy.meaning.timing import any_open, moment_of
from phage.policy.rule import Mode, Verb, Way
from phage.policy.services import PORTED
from phage.records.finding import FindingState, Severity

if TYPE_CHECKING:
    import datetime

    from phage.policy.facts import Facts
    from phage.policy.intent import Intent
    from phage.policy.meaning.matching import Party
    from phage.policy.meaning.roles import Roles
    from phage.policy.rule import Rule
    from phage.policy.ruleset import Conditions, ReadyRule, RuleSet
    from phage.records.finding import Finding
    from phage.records.packetrule import Service

_RANKS = {severity: severity.rank for severity in Severity}
_DECIDING = frozenset({Verb.ACCEPT, Verb.BAN, Verb.REJECT, Verb.LIMIT, Verb.QUARANTINE})


@frozen
class Answer:
    """What one rule says of a finding: `roles` are those it means, None where it does not match.

    `why_not` tells why, in some words.
    """

    rule: Rule
    roles: Roles | None = None
    why_not: str = ""


def decide(ruleset: RuleSet, finding: Finding, facts: Facts, now: int) -> list[Intent]:
    """Return what the rules want done about a finding that is open; the first that decides wins.

    A rule in dry run does not keep the next one from being asked; of several only the first one's
    intents are told, as if it were enforced.

    Args:
        ruleset: The rules.
        finding: What was found.
        facts: What is known of the world.
        now: Nanoseconds since the Unix epoch.
    """
    if finding.state is not FindingState.OPEN:
        return []
    if finding.detector == RATE:
        ready = ruleset.excess_rules.get(str(finding.evidence.get("rule", "")))
        return [] if ready is None else intents_of(ready.rule, finding, roles_of(finding))
    asked = Asked(finding, facts, now)
    intents: list[Intent] = []
    would_be_decided = False
    for ready in ruleset.finding_rules_of(finding.detector):
        rule = ready.rule
        is_dry = rule.mode is Mode.DRY_RUN
        if is_dry and would_be_decided:
            continue
        roles = asked.meets(ready)
        if isinstance(roles, str):
            continue
        intents += intents_of(rule, finding, roles)
        if not decides(rule):
            continue
        if not is_dry:
            break
        would_be_decided = True
    return intents


def decides(rule: Rule) -> bool:
    """Tell whether a rule about findings keeps the next ones from being asked."""
    return not _DECIDING.isdisjoint(rule.actions)


def answers(
    ruleset: RuleSet, finding: Finding, facts: Facts, now: int
) -> tuple[list[Answer], Rule | None]:
    """Ask every rule as if all were enforced; return their answers and the one that decides."""
    asked = Asked(finding, facts, now)
    found: list[Answer] = []
    for ready in ruleset.finding_rules:
        roles = asked.detector(ready) or asked.meets(ready)
        if isinstance(roles, str):
            found.append(Answer(ready.rule, why_not=roles))
            continue
        found.append(Answer(ready.rule, roles))
        if decides(ready.rule):
            return found, ready.rule
    return found, None


class Asked:
    """A finding that rules are asked about, with what all of them need of it."""

    def __init__(self, finding: Finding, facts: Facts, now: int) -> None:
        self.finding = finding
        self.scene = Scene(facts)
        self.roles = roles_of(finding)
        self.moment: datetime.datetime = moment_of(now)
        self.rank = finding.severity.rank

    def detector(self, ready: ReadyRule) -> str:
        """Return why a rule is not about this detector's findings; '' where it is."""
        wanted, name = ready.rule.match.findings, self.finding.detector
        if wanted and "any" not in wanted and name not in wanted:
            return f"is about {', '.join(wanted)}"
        return f"is not about {name}" if name in ready.conditions.not_findings else ""

    def meets(self, ready: ReadyRule) -> Roles | str:
        """Return the finding's roles, narrowed to those a rule means; a text for why none."""
        conditions = ready.conditions
        return self._measures(conditions) or self._parties(ready)

    def _measures(self, conditions: Conditions) -> str:
        """Return which of the conditions without parties does not hold; '' for none."""
        match, finding = conditions.match, self.finding
        if match.severity is not None and self.rank < _RANKS[match.severity]:
            return f"severity is {finding.severity}, not {match.severity}"
        if match.score is not None and finding.score < match.score:
            return f"score is {finding.score:g}, below {match.score:g}"
        if conditions.times and not any_open(conditions.times, self.moment):
            return "outside its time"
        if conditions.not_times and any_open(conditions.not_times, self.moment):
            return "at a time that it excludes"
        return self._services(conditions)

    def _services(self, conditions: Conditions) -> str:
        services = self.roles.services
        if conditions.services and not _meet(conditions.services, services):
            return "service differs"
        if conditions.not_services and _meet(conditions.not_services, services):
            return "service is excluded"
        return ""

    def _parties(self, ready: ReadyRule) -> Roles | str:
        roles, scene = self.roles, self.scene
        sources = ready.not_source.others(roles.sources, scene)
        victims = ready.not_destination.others(roles.victims, scene)
        if roles.sources and not sources:
            return "source is excluded"
        if roles.victims and not victims:
            return "destination is excluded"
        met_sources: dict[Party, None] = {}
        met_victims: dict[Party, None] = {}
        why = "source differs"
        for source, destination in ready.pairs:
            one = source.those(sources, scene)
            other = destination.those(victims, scene)
            if not one and (source.sides or roles.sources):
                continue
            if not other and (destination.sides or roles.victims):
                why = "destination differs"
                continue
            met_sources.update(dict.fromkeys(one))
            met_victims.update(dict.fromkeys(other))
        if not met_sources and not met_victims and (roles.sources or roles.victims):
            return why
        return self._on_the_way(
            ready.rule.match.ways,
            replace(roles, sources=tuple(met_sources), victims=tuple(met_victims)),
        )

    def _on_the_way(self, ways: frozenset[Way], roles: Roles) -> Roles | str:
        """Keep the parties between whom something goes one of these ways."""
        if not ways:
            return roles
        sources = tuple(
            p for p in roles.sources if any(self._goes(way, p, is_source=True) for way in ways)
        )
        victims = tuple(
            p for p in roles.victims if any(self._goes(way, p, is_source=False) for way in ways)
        )
        if (roles.sources and not sources) or (roles.victims and not victims):
            return f"direction is not {' or '.join(sorted(ways))}"
        return replace(roles, sources=sources, victims=victims)

    def _goes(self, way: Way, party: Party, *, is_source: bool) -> bool:
        if way is Way.FORWARD:
            return not self.scene.is_own(party)
        local = self.scene.is_local(party)
        if way is Way.INSIDE:
            return local
        return local == ((way is Way.OUT) == is_source)


def _meet(wanted: tuple[Service, ...], found: tuple[Service, ...]) -> bool:
    """Tell whether a service that was found is one of those that are wanted."""
    return any(
        one.protocol == other.protocol
        and (
            not one.ports
            or not other.ports
            or one.protocol not in PORTED
            or any(
                low <= end and start <= high
                for low, high in one.ports
                for start, end in other.ports
            )
        )
        for one in wanted
        for other in found
    )
