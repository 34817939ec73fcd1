"""Tests in rule files: traffic or a finding in, a decision out."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.decide import answers
from phage.policy.evaluate import Traffic, evaluate
from phage.policy.facts import StaticFacts, given_facts
from phage.policy.meaning.matching import Party
from phage.policy.meaning.roles import ATTACKER, SUBJECT_ROLES, VICTIM
from phage.policy.rule import FindingCase, RuleTest, Verb
from phage.records.finding import Finding, Peer, Severity, Subject
from phage.records.packetrule import PacketAction

if TYPE_CHECKING:
    from phage.policy.facts import Facts
    from phage.policy.rule import GivenDevice, Rule, RuleFile, TrafficCase
    from phage.policy.ruleset import RuleSet

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FINDING_DECISIONS = frozenset({Verb.BAN, Verb.REJECT, Verb.LIMIT, Verb.QUARANTINE})
_PACKET_DECISIONS = frozenset({Verb.ACCEPT, Verb.DROP, Verb.REJECT})


@frozen
class Result:
    """What came of one test: `why` is '' where it passed."""

    test: RuleTest
    why: str = ""

    def __str__(self) -> str:
        """Return it with its place."""
        return f"{self.test.place}: {self.why or 'passed'}"


@frozen
class _Outcome:
    """What rules did in a test: decisions, all actions of rules that matched, and who decided."""

    decisions: frozenset[Verb]
    actions: frozenset[Verb]
    rules: tuple[str, ...]
    decided: bool


def run_tests(ruleset: RuleSet) -> list[Result]:
    """Run every test of a rule set, each with what its file gives."""
    results = []
    for file, test in ruleset.tests:
        try:
            outcome = _run(ruleset, file, test)
        except LookupError as error:
            results.append(Result(test, str(error)))
        else:
            results.append(Result(test, _difference(test, outcome)))
    return results


def _run(ruleset: RuleSet, file: RuleFile, test: RuleTest) -> _Outcome:
    facts = given_facts(file.given)
    if isinstance(test.case, FindingCase):
        return _ask_finding(
            ruleset, _finding(test.case, file, facts), facts, _moment(ruleset, test)
        )
    return _ask_traffic(ruleset, _traffic(test.case, file, facts), facts, _moment(ruleset, test))


def _moment(ruleset: RuleSet, test: RuleTest) -> int:
    """Return a test's time in nanoseconds since the Unix epoch."""
    noon = datetime.datetime(2026, 1, 7, 12, tzinfo=ruleset.zone)  # A Wednesday.
    return int(((test.at or noon) - _EPOCH).total_seconds()) * 1_000_000_000


def _difference(test: RuleTest, outcome: _Outcome) -> str:
    """Return in what an outcome differs from what a test expects; '' where it does not."""
    decisions = _PACKET_DECISIONS | _FINDING_DECISIONS
    wanted = frozenset(test.expect)
    got = ", ".join(sorted(outcome.actions | outcome.decisions)) or "nothing"
    by = f" (rule {', '.join(map(repr, outcome.rules))})" if outcome.rules else ""
    expected = ", ".join(test.expect) or "nothing"
    is_met = (
        wanted <= outcome.decisions | outcome.actions
        and outcome.decisions & decisions <= wanted | _implied(wanted)
        if wanted
        else not outcome.decided and not outcome.actions
    )
    if not is_met:
        return f"expected {expected}, got {got}{by}"
    if test.rule and test.rule not in outcome.rules:
        return f"expected the rule {test.rule!r}, got {by.strip(' ()') or 'none'}"
    return ""


def _implied(wanted: frozenset[Verb]) -> frozenset[Verb]:
    """Return decisions that other words stand for: quarantine and limit drop, or accept."""
    if wanted & {Verb.QUARANTINE, Verb.LIMIT}:
        return frozenset({Verb.DROP, Verb.ACCEPT})
    if wanted & {Verb.LOG, Verb.NOTIFY, Verb.RUN, Verb.BAN}:
        return frozenset({Verb.ACCEPT})
    return frozenset()


def _ask_traffic(ruleset: RuleSet, traffic: Traffic, facts: Facts, now: int) -> _Outcome:
    verdict = evaluate(ruleset, traffic, facts, now, as_enforced=True)
    matched = [step.rule for step in verdict.steps if not step.why_not]
    rules = [verdict.rule] if verdict.rule is not None else matched
    actions = {verb for rule in matched for verb in rule.actions} - _PACKET_DECISIONS
    return _Outcome(
        decisions=frozenset({_VERBS[verdict.action]}),
        actions=frozenset(actions),
        rules=_names(rules),
        decided=verdict.rule is not None,
    )


_VERBS = {
    PacketAction.ACCEPT: Verb.ACCEPT,
    PacketAction.DROP: Verb.DROP,
    PacketAction.REJECT: Verb.REJECT,
}


def _ask_finding(ruleset: RuleSet, finding: Finding, facts: Facts, now: int) -> _Outcome:
    found, decider = answers(ruleset, finding, facts, now)
    matched = [answer.rule for answer in found if answer.roles is not None]
    actions = frozenset(verb for rule in matched for verb in rule.actions)
    return _Outcome(
        decisions=actions & _FINDING_DECISIONS or frozenset({Verb.ACCEPT}),
        actions=actions - _FINDING_DECISIONS - {Verb.ACCEPT},
        rules=_names([decider] if decider is not None else matched),
        decided=bool(actions & _FINDING_DECISIONS),
    )


def _names(rules: list[Rule]) -> tuple[str, ...]:
    return tuple(rule.name for rule in rules)


def _traffic(case: TrafficCase, file: RuleFile, facts: StaticFacts) -> Traffic:
    return Traffic(
        source=_party(case.source, file, facts),
        destination=_party(case.destination, file, facts),
        protocol=case.protocol,
        port=case.port,
        source_port=case.source_port,
        in_interface=case.in_interface,
        out_interface=case.out_interface,
        vlan=case.vlan,
        connections=case.connections,
        exceeds=case.exceeds,
    )


def _finding(case: FindingCase, file: RuleFile, facts: StaticFacts) -> Finding:
    source = _party(case.source, file, facts) if case.source else None
    destination = _party(case.destination, file, facts) if case.destination else None
    calls = SUBJECT_ROLES.get(case.detector) == VICTIM
    attacks = source is not None and not calls
    own, other = (source, destination) if attacks else (destination, source)
    subject = Subject(own.mac, own.ip, own.mac or own.ip) if own else Subject()
    peer = (Peer(other.ip, other.mac, case.services),) if other else ()
    if not other and case.services:
        peer = (Peer("", "", case.services),)
    return Finding(
        detector=case.detector,
        key="test",
        severity=case.severity or Severity.HIGH,
        score=case.score,
        subject=subject,
        summary="A test.",
        first_seen=0,
        last_seen=0,
        peers=peer,
        peers_total=len(peer),
        evidence={"subject_is": ATTACKER if attacks else VICTIM, "domain": case.domain},
        spoofable=case.spoofable,
    )


def _party(name: str, file: RuleFile, facts: StaticFacts) -> Party:
    """Return who is meant by an address or a name. Raises LookupError that says what is missing."""
    given = file.given
    for device in given.devices:
        if name == device.name:
            return _device_party(device)
    known = {"self": given.own, "gateway": given.gateways, "admin": given.admins}
    if name in known:
        if not known[name]:
            message = f"{name!r} is not known; write `given: {{{name}: 192.168.1.1}}`"
            raise LookupError(message)
        return Party(str(known[name][0].network_address))
    party = Party(name)
    if party.address is None:
        message = f"{name!r} is neither an address nor a device under `given`"
        raise LookupError(message)
    device_found = facts.device_of(name, "")
    return Party(name, device_found.mac if device_found else "")


def _device_party(device: GivenDevice) -> Party:
    return Party(device.addresses[0] if device.addresses else "", device.mac)
