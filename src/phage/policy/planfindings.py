"""The plan for rules about findings: what they would have decided about those of the last days."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phage.policy.decide import decide
from phage.policy.meaning.matching import Party, Scene
from phage.records.decision import Direction, TargetKind
from phage.records.finding import FindingState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.policy.facts import Facts
    from phage.policy.intent import Intent
    from phage.policy.rule import Rule
    from phage.policy.ruleset import RuleSet
    from phage.records.finding import Finding

MAX_TARGETS = 10_000
"""Targets of one rule that are told apart."""


@dataclass
class FindingEffect:
    """What one rule would have decided about findings.

    Attributes:
        rule: The rule.
        findings: Findings that it meets and no rule before it decided.
        targets: Whom it would have acted against, the first MAX_TARGETS; not who may have been
            forged, against whom no rule acts.
        ours: Those of them that are ours, in order of appearance.
    """

    rule: Rule
    findings: int = 0
    targets: set[str] = field(default_factory=set)
    ours: dict[str, None] = field(default_factory=dict)


def plan_findings(
    findings: Iterable[Finding], candidate: RuleSet, facts: Facts
) -> list[FindingEffect]:
    """Ask a rule set about findings of the past, whether they are open still or not.

    Rules that ban for a rate are told of where there is a finding that names them.
    """
    effects = {ready.rule.name: FindingEffect(ready.rule) for ready in candidate.finding_rules}
    scene = Scene(facts)
    for finding in findings:
        asked = replace(finding, state=FindingState.OPEN)
        met: set[str] = set()
        for intent in decide(candidate, asked, facts, finding.last_seen):
            met.add(intent.rule)
            if intent.rule not in effects:
                effects[intent.rule] = FindingEffect(candidate.excess_rules[intent.rule].rule)
            if not finding.spoofable or intent.direction is Direction.TO:
                _note(effects[intent.rule], intent, scene)
        for name in met:
            effects[name].findings += 1
    return list(effects.values())


def _note(effect: FindingEffect, intent: Intent, scene: Scene) -> None:
    if intent.target is None or len(effect.targets) >= MAX_TARGETS:
        return
    value = intent.target.value
    effect.targets.add(value)
    if _is_ours(intent, scene):
        effect.ours[value] = None


def _is_ours(intent: Intent, scene: Scene) -> bool:
    target = intent.target
    if target is None or target.kind is TargetKind.DOMAIN:
        return False
    if target.kind in {TargetKind.MAC, TargetKind.DEVICE}:
        return True
    return scene.is_local(Party(target.value.partition("/")[0]))
