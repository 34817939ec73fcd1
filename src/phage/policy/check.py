"""Checking rule sets: rules that never match, are never asked, or would cut the admin off.

`load` refuses what is wrong in itself; here is told what is wrong with the set as a whole, and with
the world it is to be used in. Each problem has its place and its reason.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import TYPE_CHECKING

from phage.config.load import suggestion
from phage.frozen import frozen
from phage.policy.compile import shapes, syn_proxies
from phage.policy.evaluate import Traffic, evaluate
from phage.policy.meaning.binding import Binder, has_traits, is_in_set
from phage.policy.meaning.matching import Party
from phage.policy.meaning.resolve import DeviceTerm
from phage.policy.meaning.timing import next_edge
from phage.policy.place import Place
from phage.policy.reading.match import ANY_FINDING
from phage.policy.rule import Kind, Mode, Selector, Verb
from phage.policy.shadow import ShapeIndex, covers_findings, covers_times
from phage.records.packetrule import Hook, PacketAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.policy.facts import Facts, Session
    from phage.policy.meaning.resolve import Term
    from phage.policy.rule import Rule
    from phage.policy.ruleset import Conditions, ReadyRule, RuleSet
    from phage.records.packetrule import PacketRule

MAX_MOMENTS = 200
"""Openings and closings of windows at which it is asked whether the admin gets in."""

_DECIDING = frozenset({Verb.ACCEPT, Verb.DROP, Verb.REJECT, Verb.BAN, Verb.QUARANTINE})


class Gravity(enum.StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    """The rule set must not be used as it is."""
    WARNING = "warning"
    """It can be used, and does not do what it seems to say."""


@frozen
class Problem:
    """Something that is wrong with a rule set.

    Attributes:
        place: Where.
        gravity: How bad it is.
        kind: "lock-out", "never matches", "never asked", "unknown name" or "unused object".
        rule: The rule's name; '' where it is about none.
        text: What is wrong, and what to do.
    """

    place: Place
    gravity: Gravity
    kind: str
    rule: str
    text: str

    def __str__(self) -> str:
        """Return it as one line for people."""
        about = f"rule {self.rule!r}: " if self.rule else ""
        return f"{self.place}: {self.gravity}: {about}{self.text}"


def check(ruleset: RuleSet, facts: Facts, now: int) -> list[Problem]:
    """Return what is wrong with a rule set, by place."""
    found = [
        *_lock_outs(ruleset, facts, now),
        *_names(ruleset, facts),
        *_packet_rules(ruleset, facts),
        *_finding_rules(ruleset),
        *_objects(ruleset),
    ]
    return sorted(dict.fromkeys(found), key=lambda problem: problem.place)


def _warning(rule: Rule, kind: str, text: str, place: Place | None = None) -> Problem:
    return Problem(place or rule.place, Gravity.WARNING, kind, rule.name, text)


def _lock_outs(ruleset: RuleSet, facts: Facts, now: int) -> Iterator[Problem]:
    """Tell of what would keep those who administer out, at any time of the coming week.

    The allow-list, which would save them, is not asked: it may be told otherwise.
    """
    windows = [
        window
        for ready in ruleset.packet_rules
        for window in (*ready.conditions.times, *ready.conditions.not_times)
    ]
    moments = [now]
    while len(moments) < MAX_MOMENTS and (edge := next_edge(windows, moments[-1])) is not None:
        if edge > now + 8 * 86_400 * 1_000_000_000:
            break
        moments.append(edge)
    told: set[tuple[str, bool]] = set()
    for session in facts.admins:
        for traffic in _logins(session, facts):
            for moment in moments:
                for as_enforced in (False, True):
                    problem = _lock_out(ruleset, traffic, facts, moment, as_enforced=as_enforced)
                    if problem is not None and (problem.rule, False) not in told:
                        told.add((problem.rule, as_enforced))
                        yield problem


def _logins(session: Session, facts: Facts) -> Iterator[Traffic]:
    targets = (
        [session.destination]
        if session.destination
        else [str(network.network_address) for network in facts.own]
    )
    version = ipaddress.ip_address(session.source).version
    for target in targets:
        if ipaddress.ip_address(target).version == version:
            yield Traffic(
                Party(session.source),
                Party(target),
                session.protocol,
                session.port,
                source_port=49_152,
                hook=Hook.INPUT,
                in_interface=session.interface,
            )


def _lock_out(
    ruleset: RuleSet, traffic: Traffic, facts: Facts, moment: int, *, as_enforced: bool
) -> Problem | None:
    verdict = evaluate(
        ruleset, traffic, facts, moment, as_enforced=as_enforced, ask_allow_list=False
    )
    if verdict.action is PacketAction.ACCEPT:
        return None
    who = f"{traffic.source} (port {traffic.port} of {traffic.destination})"
    if verdict.rule is None:
        text = f"{verdict.why} would cut off the admin at {who}; add a rule that accepts it"
        return Problem(verdict.default or Place(), Gravity.ERROR, "lock-out", "", text)
    rule = verdict.rule
    gravity = Gravity.ERROR if rule.mode is Mode.ENFORCE else Gravity.WARNING
    when = "" if rule.mode is Mode.ENFORCE else ", once it is enforced"
    text = f"would cut off the admin at {who}{when}; accept it in an earlier rule"
    return Problem(rule.place, gravity, "lock-out", rule.name, text)


def _names(ruleset: RuleSet, facts: Facts) -> Iterator[Problem]:
    """Tell of names that nobody knows."""
    for ready in (*ruleset.packet_rules, *ruleset.finding_rules):
        rule, conditions = ready.rule, ready.conditions
        for term in dict.fromkeys(_terms(conditions)):
            yield from _unknown(rule, term, facts)
        known = {
            "detectors": (*rule.match.findings, *conditions.not_findings),
            "responders": rule.responders,
            "notifiers": rule.notify,
            "scripts": rule.run,
            "interfaces": (
                *rule.match.interfaces,
                *rule.match.in_interfaces,
                *rule.match.out_interfaces,
            ),
        }
        for kind, names in known.items():
            yield from _unlisted(rule, kind, names, facts)


def _unlisted(rule: Rule, kind: str, names: Iterable[str], facts: Facts) -> Iterator[Problem]:
    listed = facts.names.get(kind)
    if listed is None:
        return
    for name in names:
        if name not in listed and name != ANY_FINDING:
            hint = suggestion(name, sorted(listed))
            yield _warning(rule, "unknown name", f"no {kind[:-1]} is called {name!r}{hint}")


def _terms(conditions: Conditions) -> Iterator[Term]:
    yield from conditions.not_source
    yield from conditions.not_destination
    for pair in conditions.pairs:
        for sides in pair:
            for side in sides:
                yield from side.any_of
                yield from side.none_of


def _unknown(rule: Rule, term: Term, facts: Facts) -> Iterator[Problem]:
    if isinstance(term, DeviceTerm):
        for group in term.groups:
            for selector in group:
                single = DeviceTerm(((selector,),))
                if not any(has_traits(device, single) for device in facts.devices()):
                    text = f"no device is known by {selector}; it means nobody yet"
                    if selector.kind is Kind.MAC and len(term.groups) == 1:
                        text = f"no device is known by {selector}; what is sent to it is not met"
                    yield _warning(rule, "unknown name", text, selector.place)
    elif is_in_set(term) and not facts.knows(term.kind, term.value):
        what = {Kind.LIST: "the indicator list", Kind.AS: "AS"}.get(term.kind, term.kind.value)
        text = f"nothing is known here of {what} {term.value!r}; it means nobody yet"
        yield _warning(rule, "unknown name", text, term.place)


def _packet_rules(ruleset: RuleSet, facts: Facts) -> Iterator[Problem]:
    """Tell of packet rules that never match, or that an earlier one leaves nothing."""
    binder = Binder(facts)
    index = ShapeIndex()
    earlier: dict[int, ReadyRule] = {}
    for number, ready in enumerate(ruleset.packet_rules):
        rule, conditions = ready.rule, ready.conditions
        made = list(shapes(ready, binder))
        if _is_never(conditions):
            yield _warning(rule, "never matches", "its times exclude each other; it never matches")
        elif not made:
            if not _is_for_the_unknown(conditions, facts):
                yield _warning(rule, "never matches", _why_never(ready))
        else:
            yield from _shadowed(ready, made, index, earlier)
            if Verb.SYNPROXY in rule.actions and not any(syn_proxies(ready, binder)):
                text = (
                    "synproxy needs addresses (no list, no device) and TCP ports; it does nothing"
                )
                yield _warning(rule, "never matches", text)
        if _DECIDING & set(rule.actions) and rule.match.rate is None:
            earlier[number] = ready
            for shape in made:
                index.add(number, shape)


def _is_never(conditions: Conditions) -> bool:
    return bool(conditions.times) and set(conditions.times) <= set(conditions.not_times)


def _is_for_the_unknown(conditions: Conditions, facts: Facts) -> bool:
    """Tell whether a rule names a place of which nothing is known here."""
    empty = {
        name
        for name, known in (
            ("self", facts.own),
            ("home", facts.home),
            ("gateway", facts.gateways),
            ("admin", facts.admins),
        )
        if not known
    }
    return any(
        isinstance(term, Selector) and term.kind is Kind.WELL_KNOWN and term.value in empty
        for term in _terms(conditions)
    )


def _why_never(ready: ReadyRule) -> str:
    match = ready.rule.match
    links = match.interfaces or match.in_interfaces or match.out_interfaces or match.vlans
    if ready.rule.hooks and links:
        return "its interface or VLAN is not known at its hooks; it never matches"
    if match.source_ports and match.services:
        return "its services have no source ports; it never matches"
    if match.ways:
        return "its source and destination do not go its direction; it never matches"
    return "its conditions exclude each other; it never matches"


def _shadowed(
    ready: ReadyRule, made: list[PacketRule], index: ShapeIndex, earlier: dict[int, ReadyRule]
) -> Iterator[Problem]:
    """Tell of the first rule that decides about all that a rule matches."""
    common: set[int] | None = None
    for shape in made:
        found = index.cover(shape)
        common = found if common is None else common & found
        if not common:
            return
    for number in sorted(common or ()):
        other = earlier[number]
        if covers_times(other.conditions, ready.conditions):
            yield _never_asked(ready.rule, other.rule)
            return


def _never_asked(rule: Rule, other: Rule) -> Problem:
    when = "" if other.mode is Mode.ENFORCE else ", once that one is enforced"
    text = (
        f"is never asked{when}: the rule {other.name!r} ({other.place.short}) decides about all "
        "that it matches; put it before that one, or remove it"
    )
    return _warning(rule, "never asked", text)


def _finding_rules(ruleset: RuleSet) -> Iterator[Problem]:
    """Tell of rules about findings that never match, or that an earlier one leaves nothing."""
    decided: dict[str, list[ReadyRule]] = {}
    for ready in ruleset.finding_rules:
        rule, conditions = ready.rule, ready.conditions
        left = set(rule.match.findings) - set(conditions.not_findings)
        if (rule.match.findings and not left) or ANY_FINDING in conditions.not_findings:
            text = "excludes the findings that it names; it never matches"
            yield _warning(rule, "never matches", text)
            continue
        if _is_never(conditions):
            yield _warning(rule, "never matches", "its times exclude each other; it never matches")
            continue
        names = rule.match.findings or (ANY_FINDING,)
        candidates = (*decided.get(names[0], ()), *decided.get(ANY_FINDING, ()))
        for other in candidates:
            if covers_findings(other.conditions, conditions):
                yield _never_asked(rule, other.rule)
                break
        if (_DECIDING | {Verb.LIMIT}) & set(rule.actions):
            for name in names:
                decided.setdefault(name, []).append(ready)


def _objects(ruleset: RuleSet) -> Iterator[Problem]:
    """Tell of objects that no rule and no other object names."""
    used = set(ruleset.used_objects)
    for file in ruleset.files:
        for name, item in file.objects.items():
            if name not in used:
                text = f"no rule names the object {name!r}"
                yield Problem(item.place, Gravity.WARNING, "unused object", "", text)
