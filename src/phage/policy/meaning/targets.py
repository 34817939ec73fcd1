"""From a finding that met a rule to intents: against whom, which of their packets, for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.policy.intent import Intent
from phage.policy.meaning.roles import CALLED
from phage.policy.rule import Mode, Role, Verb
from phage.policy.services import ICMP, ICMPV6, PORTED, TCP
from phage.records.decision import Action, Direction, Pattern, Target, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.meaning.matching import Party
    from phage.policy.meaning.roles import Roles
    from phage.policy.rule import Rule
    from phage.records.finding import Finding
    from phage.records.packetrule import Service

ALL_NOTIFIERS = ("*",)
"""What `Intent.notify` says where a rule notifies and names nobody."""

MAX_TARGETS = 64
"""Of one finding and rule; findings name at most 32 peers."""

ACTIONS = {
    Verb.BAN: Action.BAN,
    Verb.REJECT: Action.REJECT,
    Verb.LIMIT: Action.LIMIT,
    Verb.QUARANTINE: Action.QUARANTINE,
}

_SUBJECTS = frozenset({Role.SUBJECT, Role.DEVICE})

_SYN_ONLY = (0x12, 0x02)
"""SYN set, ACK not: what a SYN flood consists of (RFC 9293, section 3.1)."""


def intents_of(rule: Rule, finding: Finding, roles: Roles) -> list[Intent]:
    """Return what a rule wants done about a finding whose parties are narrowed to its match."""
    action = next((ACTIONS[verb] for verb in rule.actions if verb in ACTIONS), None)
    if action is None and Verb.RUN not in rule.actions:
        if Verb.ACCEPT in rule.actions and Verb.NOTIFY not in rule.actions:
            return []
        return [_intent(rule, finding, None, None, Direction.FROM, Pattern())]
    direction = _direction(rule, finding, roles, action)
    found = {
        (target, pattern): None
        for target in _targets(rule, roles, action)
        for pattern in _patterns(rule, finding, roles, action)
    }
    return [
        _intent(rule, finding, action, target, direction, pattern)
        for target, pattern in list(found)[:MAX_TARGETS]
    ]


def _intent(
    rule: Rule,
    finding: Finding,
    action: Action | None,
    target: Target | None,
    direction: Direction,
    pattern: Pattern,
) -> Intent:
    tells = Verb.NOTIFY in rule.actions
    return Intent(
        rule=rule.name,
        action=action,
        target=target,
        reason=finding.summary or f"a finding of {finding.detector}",
        duration=rule.duration,
        direction=direction,
        pattern=pattern,
        rate=rule.rate if action is Action.LIMIT else None,
        responders=rule.responders,
        notify=(rule.notify or ALL_NOTIFIERS) if tells else (),
        run=rule.run if Verb.RUN in rule.actions else (),
        dry_run=rule.mode is not Mode.ENFORCE,
    )


def _parties(rule: Rule, roles: Roles) -> tuple[Party, ...]:
    if rule.target is Role.SOURCE:
        return roles.sources
    if rule.target in {Role.VICTIM, Role.SERVICE}:
        return roles.victims
    wants_attacker = (rule.target in _SUBJECTS) == roles.subject_attacks
    return roles.sources if wants_attacker else roles.victims


def _targets(rule: Rule, roles: Roles, action: Action | None) -> Iterator[Target]:
    if rule.target is Role.DOMAIN:
        if roles.domain:
            yield Target(TargetKind.DOMAIN, roles.domain)
        return
    for party in _parties(rule, roles):
        ip = party.ip if party.address is not None else ""
        by_mac = action is Action.QUARANTINE or rule.target is Role.DEVICE
        if by_mac and (party.mac or ip):
            yield Target(TargetKind.DEVICE, party.mac or ip)
        elif party.network:
            yield Target(TargetKind.PREFIX, party.network)
        elif party.mac and (roles.on_link or not ip):
            # What was seen on the link only tells whose frame it was: addresses in it are claims.
            yield Target(TargetKind.MAC, party.mac)
        elif ip:
            yield Target(TargetKind.IP, ip)


def _direction(rule: Rule, finding: Finding, roles: Roles, action: Action | None) -> Direction:
    if rule.packets is not None:
        return rule.packets
    if action is Action.QUARANTINE:
        return Direction.BOTH
    attacks = rule.target is Role.SOURCE or (
        rule.target in {*_SUBJECTS, Role.PEERS}
        and (rule.target in _SUBJECTS) == roles.subject_attacks
    )
    if not attacks:
        # A packet to a device has no MAC address of it before it is routed.
        return Direction.FROM if rule.target is Role.DEVICE else Direction.TO
    return Direction.BOTH if finding.detector in CALLED else Direction.FROM


def suggested_patterns(finding: Finding) -> list[Pattern]:
    """Return the patterns that a detector of floods suggests; what is none is left out."""
    told = finding.evidence.get("suggested")
    found = []
    for each in told if isinstance(told, list | tuple) else ():
        try:
            found.append(_pattern(each))
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
    return found


def _pattern(told: dict[str, Any]) -> Pattern:
    def ranges(name: str) -> tuple[tuple[int, int], ...]:
        return tuple((int(low), int(high)) for low, high in told.get(name, ()))

    flags = told.get("tcp_flags")
    return Pattern(
        protocol=None if told["protocol"] is None else int(told["protocol"]),
        ports=ranges("ports"),
        source_ports=ranges("source_ports"),
        tcp_flags=None if flags is None else (int(flags[0]), int(flags[1])),
        lengths=ranges("lengths"),
        fragments=told.get("fragments") is True,
    )


def _patterns(
    rule: Rule, finding: Finding, roles: Roles, action: Action | None
) -> Iterator[Pattern]:
    """Yield which packets are meant: what the rule says, or the services that are attacked.

    Where these are not known, a limit is put on all that the victim is sent; nothing else is done,
    since it would cut the victim off.
    """
    if rule.pattern is not None:
        yield rule.pattern
    elif rule.target is not Role.SERVICE:
        yield Pattern()
    else:
        patterns = list(_attacked(finding, roles.services))
        if patterns or action is Action.LIMIT:
            yield from patterns or [Pattern()]


def _attacked(finding: Finding, services: tuple[Service, ...]) -> Iterator[Pattern]:
    suggested = suggested_patterns(finding)
    if suggested:
        yield from suggested
        return
    kind = str(finding.evidence.get("kind", ""))
    if kind.startswith("icmp"):
        yield from (Pattern(ICMP), Pattern(ICMPV6))
        return
    ports: dict[int, dict[tuple[int, int], None]] = {}
    for service in services:
        ports.setdefault(service.protocol, {}).update(dict.fromkeys(service.ports))
    for protocol, ranges in ports.items():
        flags = _SYN_ONLY if protocol == TCP and kind == "syn" else None
        yield Pattern(
            protocol, tuple(sorted(ranges)) if protocol in PORTED else (), tcp_flags=flags
        )
