"""Rules about packets to packet rules: names, groups, times and directions are worked out.

What cannot be said once for all stands in named sets, which are filled while the rules stand:
devices, lists, countries, ASs, domains. Rules are compiled for a moment; `next_change` tells when
another result is due. What nobody can match is left out, never widened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.policy.evaluate import LIFELINES_ANYWHERE, LIFELINES_AT_ROUTER
from phage.policy.meaning.binding import Binder, End, is_in_set, set_name, within
from phage.policy.meaning.servicesets import common, joined, normal, without
from phage.policy.meaning.timing import any_open, moment_of, next_edge
from phage.policy.networks import collapse
from phage.policy.rule import Mode, Verb, Way
from phage.policy.services import PORTED, TCP
from phage.records.packetrule import (
    Hook,
    PacketAction,
    PacketRule,
    PacketRules,
    SynProxy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.facts import Facts
    from phage.policy.meaning.resolve import Term
    from phage.policy.rule import Match, Rule
    from phage.policy.ruleset import Conditions, ReadyRule, RuleSet
    from phage.records.packetrule import Addresses, Service

_ALL = frozenset(Hook)
_RECEIVED = frozenset({Hook.INPUT, Hook.FORWARD})
_SENT = frozenset({Hook.FORWARD, Hook.OUTPUT})

_PLAIN = {
    Verb.ACCEPT: PacketAction.ACCEPT,
    Verb.DROP: PacketAction.DROP,
    Verb.REJECT: PacketAction.REJECT,
    Verb.LOG: PacketAction.LOG,
}


def compile_rules(ruleset: RuleSet, facts: Facts, now: int, generation: int = 0) -> PacketRules:
    """Return the packet rules that a rule set means at a moment.

    Args:
        ruleset: The rules.
        facts: What is known of the world.
        now: Nanoseconds since the Unix epoch.
        generation: Number of the result, for who carries it out.
    """
    binder = Binder(facts)
    moment = moment_of(now)
    rules: list[PacketRule] = []
    proxies: list[SynProxy] = []
    for ready in ruleset.packet_rules:
        conditions = ready.conditions
        if conditions.times and not any_open(conditions.times, moment):
            continue
        if conditions.not_times and any_open(conditions.not_times, moment):
            continue
        rules += packet_rules(ready, binder)
        if ready.rule.mode is Mode.ENFORCE and Verb.SYNPROXY in ready.rule.actions:
            proxies += syn_proxies(ready, binder)
    named = {name for rule in rules for name in _sets_of(rule)}
    return PacketRules(
        rules=tuple(rules),
        defaults=tuple((hook, action) for hook, (action, _) in sorted(ruleset.defaults.items())),
        protect=collapse(facts.protected),
        sets=tuple((name, binder.sets[name]) for name in sorted(named)),
        synproxy=tuple(dict.fromkeys(proxies)),
        generation=generation,
    )


def next_change(ruleset: RuleSet, now: int) -> int | None:
    """Return the next moment at which the rules compile to something else; None for never.

    Nanoseconds since the Unix epoch. Changes of the facts are not foreseen.
    """
    windows = {
        window
        for ready in ruleset.packet_rules
        for window in (*ready.conditions.times, *ready.conditions.not_times)
    }
    return next_edge(windows, now)


def set_terms(ruleset: RuleSet) -> dict[str, Term]:
    """Return what each named set of compiled rules holds, for who fills them."""
    return {
        set_name(term): term
        for ready in ruleset.packet_rules
        for term in _terms_of(ready.conditions)
        if is_in_set(term)
    }


def _terms_of(conditions: Conditions) -> Iterator[Term]:
    yield from conditions.not_source
    yield from conditions.not_destination
    for pair in conditions.pairs:
        for sides in pair:
            for side in sides:
                yield from side.any_of
                yield from side.none_of


def packet_rules(ready: ReadyRule, binder: Binder) -> list[PacketRule]:
    """Return the packet rules of one rule, whatever its times; none where nobody can match."""
    return [made for shape in shapes(ready, binder) for made in _actions(ready.rule, shape, binder)]


def syn_proxies(ready: ReadyRule, binder: Binder) -> Iterator[SynProxy]:
    """Yield the TCP services of a rule that are named by addresses and ports.

    Whoever asks them is answered alike: the proxy decides before any rule is asked.
    """
    for shape in shapes(ready, binder):
        destination = shape.destination
        ports = joined(
            tuple(
                ports
                for service in shape.services
                if service.protocol == TCP
                for ports in service.ports
            )
        )
        if destination.networks and ports and not (destination.sets or destination.excluded):
            yield SynProxy(destination.networks, ports)


def shapes(ready: ReadyRule, binder: Binder) -> Iterator[PacketRule]:
    """Yield the conditions of a rule as packet rules that only count."""
    conditions, match = ready.conditions, ready.rule.match
    services = _services(conditions)
    if services is None:
        return
    for link in _links(ready.rule):
        for ends in _ends(conditions, binder):
            hooks = link.hooks & ends.hooks
            if not hooks:
                continue
            yield PacketRule(
                name=ready.rule.name,
                action=PacketAction.COUNT,
                hooks=hooks,
                source=ends.source.addresses,
                destination=ends.destination.addresses,
                services=services,
                source_ports=joined(match.source_ports),
                source_macs=ends.source.macs,
                in_interfaces=link.into,
                out_interfaces=link.out,
                vlans=tuple(sorted(set(match.vlans))),
                connections=match.connections,
            )


@frozen
class _Link:
    """Where a packet may be seen, and by which interfaces it came and goes."""

    hooks: frozenset[Hook]
    into: tuple[str, ...] = ()
    out: tuple[str, ...] = ()


@frozen
class _Ends:
    """Both ends of a packet, and where such a packet is seen."""

    source: End
    destination: End
    hooks: frozenset[Hook]


def _services(conditions: Conditions) -> tuple[Service, ...] | None:
    """Return the services that are meant, () for any; None for none."""
    services = normal(conditions.services)
    if conditions.not_services:
        services = without(services, conditions.not_services)
        if not services:
            return None
    if conditions.match.source_ports and services:
        services = tuple(service for service in services if service.protocol in PORTED)
        return services or None
    return services


def _links(rule: Rule) -> Iterator[_Link]:
    match, hooks = rule.match, rule.hooks or _ALL
    if match.vlans:
        hooks &= _RECEIVED  # Only what comes in still has its tag.
    if match.interfaces:
        yield _Link(hooks & _RECEIVED, into=match.interfaces)
        yield _Link(hooks & _SENT, out=match.interfaces)
        return
    if match.in_interfaces:
        hooks &= _RECEIVED
    if match.out_interfaces:
        hooks &= _SENT
    yield _Link(hooks, match.in_interfaces, match.out_interfaces)


def _ends(conditions: Conditions, binder: Binder) -> Iterator[_Ends]:
    """Yield both ends: each pair, narrowed to each direction."""
    for wanted_source, wanted_destination in conditions.pairs:
        sources = binder.ends(wanted_source, conditions.not_source, is_source=True)
        destinations = binder.ends(wanted_destination, conditions.not_destination, is_source=False)
        for source in sources:
            for destination in destinations:
                hooks = _RECEIVED if source.macs else _ALL
                ends = _Ends(source, destination, hooks)
                yield from _directed(ends, conditions.match, binder)


def _directed(ends: _Ends, match: Match, binder: Binder) -> Iterator[_Ends]:
    for way in sorted(match.ways) or (None,):
        if way is None:
            found: _Ends | None = ends
        elif way is Way.FORWARD:
            found = replace(ends, hooks=ends.hooks & {Hook.FORWARD})
        else:
            found = _between(ends, way, binder)
        if found is not None and _may_meet(found.source, found.destination):
            yield found


def _between(ends: _Ends, way: Way, binder: Binder) -> _Ends | None:
    source, destination = ends.source.addresses, ends.destination.addresses
    sender = binder.outside(source) if way is Way.IN else binder.inside(source)
    receiver = binder.outside(destination) if way is Way.OUT else binder.inside(destination)
    if sender is None or receiver is None:
        return None
    return replace(ends, source=replace(ends.source, addresses=sender), destination=End(receiver))


def _may_meet(source: End, destination: End) -> bool:
    """Tell whether both ends can have addresses of one version."""
    return bool(_versions(source.addresses) & _versions(destination.addresses))


def _versions(addresses: Addresses) -> set[int]:
    if addresses.sets or not addresses.networks:
        return {4, 6}
    return {network.version for network in addresses.networks}


def _actions(rule: Rule, shape: PacketRule, binder: Binder) -> Iterator[PacketRule]:
    """Yield what is done with packets of a shape, in order."""
    excess = rule.match.rate
    if rule.mode is Mode.DRY_RUN:
        yield replace(shape, rate=excess, per=rule.match.per)
        return
    for verb in rule.actions:
        if verb is Verb.LIMIT:
            yield replace(shape, action=PacketAction.LIMIT, rate=rule.rate, per=rule.per)
        elif verb is Verb.DROP and excess is not None:
            yield replace(shape, action=PacketAction.LIMIT, rate=excess, per=rule.match.per)
        elif verb is Verb.QUARANTINE:
            yield from _quarantine(shape, binder)
        elif verb in _PLAIN:
            yield replace(shape, action=_PLAIN[verb])


def _quarantine(shape: PacketRule, binder: Binder) -> Iterator[PacketRule]:
    """Yield the rules that leave a device its lifelines only."""
    anywhere = common(shape.services, LIFELINES_ANYWHERE)
    if anywhere:
        yield replace(shape, action=PacketAction.ACCEPT, services=anywhere)
    routers = collapse((*binder.facts.own, *binder.facts.gateways))
    at_router = within(shape.destination, routers) if routers else None
    services = common(shape.services, LIFELINES_AT_ROUTER)
    if services and at_router is not None:
        yield replace(shape, action=PacketAction.ACCEPT, services=services, destination=at_router)
    yield replace(shape, action=PacketAction.DROP)


def _sets_of(rule: PacketRule) -> Iterator[str]:
    for addresses in (rule.source, rule.destination):
        yield from addresses.sets
        yield from addresses.excluded_sets
