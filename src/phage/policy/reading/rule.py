"""Reading one rule: its name, condition, actions and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.policy.intent import Duration
from phage.policy.reading.match import read_match, read_per, read_rate, read_services
from phage.policy.reading.time import read_duration
from phage.policy.rule import PRIORITY, Mode, Role, Rule, Verb
from phage.policy.services import parse_range
from phage.records.decision import Direction, Pattern
from phage.records.packetrule import Hook, Service

if TYPE_CHECKING:
    from phage.policy.reading.node import Value

RULE_KEYS = (
    "name",
    "priority",
    "mode",
    "comment",
    "match",
    "action",
    "for",
    "target",
    "packets",
    "pattern",
    "rate",
    "per",
    "scope",
    "notify",
    "run",
)
PATTERN_KEYS = ("service", "protocol", "port", "source_port", "tcp_flags", "length", "fragments")

FINDING_VERBS = frozenset(
    {
        Verb.ACCEPT,
        Verb.BAN,
        Verb.REJECT,
        Verb.LIMIT,
        Verb.QUARANTINE,
        Verb.LOG,
        Verb.NOTIFY,
        Verb.RUN,
    }
)
PACKET_VERBS = frozenset(
    {
        Verb.ACCEPT,
        Verb.DROP,
        Verb.REJECT,
        Verb.LOG,
        Verb.LIMIT,
        Verb.QUARANTINE,
        Verb.BAN,
        Verb.SYNPROXY,
    }
)
DECIDING = frozenset({Verb.ACCEPT, Verb.DROP, Verb.REJECT, Verb.BAN, Verb.QUARANTINE})
"""Verbs of which a rule has at most one, since the first decides."""

_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}


def read_rule(value: Value) -> Rule:
    """Read one rule. Raises Fault."""
    fields = value.keys(RULE_KEYS, "{name: …, match: …, action: …}")
    for key in ("name", "match", "action"):
        if key not in fields:
            extra = "; write `match: everything` if you mean every packet" if key == "match" else ""
            value.fail(f"has no `{key}`{extra}")
    match = read_match(fields["match"])
    hooks, responders = _scope(fields.get("scope"))
    rule = Rule(
        name=fields["name"].name(),
        match=match,
        actions=read_verbs(fields["action"]),
        place=value.place,
        priority=fields["priority"].integer(0, 1_000_000) if "priority" in fields else PRIORITY,
        mode=fields["mode"].member(Mode) if "mode" in fields else Mode.DRY_RUN,
        comment=fields["comment"].text() if "comment" in fields else "",
        duration=read_duration(fields["for"]) if "for" in fields else Duration(),
        target=fields["target"].member(Role) if "target" in fields else Role.SOURCE,
        packets=fields["packets"].member(Direction) if "packets" in fields else None,
        pattern=_pattern(fields["pattern"]) if "pattern" in fields else None,
        rate=read_rate(fields["rate"]) if "rate" in fields else None,
        per=read_per(fields.get("per")) if "rate" in fields else "",
        hooks=hooks,
        responders=responders,
        notify=_names(fields.get("notify")),
        run=_names(fields.get("run")),
    )
    _check_arguments(fields, rule)
    _check_kind(fields, rule)
    return rule


def read_verbs(value: Value) -> tuple[Verb, ...]:
    """Read actions; each once, and at most one that decides. Raises Fault."""
    items = value.some()
    verbs = [item.member(Verb) for item in items]
    for index, verb in enumerate(verbs):
        if verb in verbs[:index]:
            items[index].fail(f"{verb} stands here a second time; keep one")
    deciding = [index for index, verb in enumerate(verbs) if verb in DECIDING]
    if len(deciding) > 1:
        first, second = (verbs[index] for index in deciding[:2])
        items[deciding[1]].fail(f"{first} and {second} exclude each other; keep one")
    return tuple(verbs)


def _names(value: Value | None) -> tuple[str, ...]:
    return () if value is None else tuple(item.name() for item in value.some())


def _scope(value: Value | None) -> tuple[frozenset[Hook], tuple[str, ...]]:
    if value is None:
        return frozenset(), ()
    fields = value.keys(("hooks", "responders"), "{responders: [nftables]}")
    if not fields:
        value.fail("is empty; write hooks or responders, or remove it")
    hooks = (
        frozenset(item.member(Hook) for item in fields["hooks"].some())
        if "hooks" in fields
        else frozenset()
    )
    return hooks, _names(fields.get("responders"))


def _pattern(value: Value) -> Pattern:
    fields = value.keys(PATTERN_KEYS, "{protocol: udp, source_port: 123}")
    if not fields:
        value.fail("is empty; write which packets are meant, or remove it")
    services = read_services({key: item for key, item in fields.items() if key != "source_port"})
    plain = [service for service in services if isinstance(service, Service)]
    protocols = {service.protocol for service in plain}
    if len(plain) != len(services) or len(protocols) > 1:
        value.fail("must name one protocol, for example {protocol: udp, source_port: 123}")
    return Pattern(
        protocol=protocols.pop() if protocols else None,
        ports=tuple(ports for service in plain for ports in service.ports),
        source_ports=_ranges(fields.get("source_port"), 65_535),
        tcp_flags=_tcp_flags(fields["tcp_flags"]) if "tcp_flags" in fields else None,
        lengths=_ranges(fields.get("length"), 65_535),
        fragments=fields["fragments"].flag() if "fragments" in fields else False,
    )


def _ranges(value: Value | None, highest: int) -> tuple[tuple[int, int], ...]:
    ranges = []
    for item in value.some() if value is not None else ():
        try:
            ranges.append(parse_range(item.text(), highest))
        except ValueError as error:
            item.fail(str(error))
    return tuple(ranges)


def _tcp_flags(value: Value) -> tuple[int, int]:
    """Read flags that must be set; with a "-" before it, one that must not be."""
    mask = wanted = 0
    for item in value.some():
        text = item.text().lower()
        bit = _FLAGS.get(text.removeprefix("-"))
        if bit is None or mask & bit:
            item.fail(f"{text[:20]!r} is no TCP flag, or named twice; write syn, -ack, …")
        mask |= bit
        wanted |= 0 if text.startswith("-") else bit
    return mask, wanted


def _check_arguments(fields: dict[str, Value], rule: Rule) -> None:
    """Refuse a key without the action that it belongs to, and an action without its key."""
    owners = {
        "rate": (Verb.LIMIT,),
        "notify": (Verb.NOTIFY,),
        "run": (Verb.RUN,),
        "for": (Verb.BAN, Verb.REJECT, Verb.LIMIT, Verb.QUARANTINE, Verb.RUN),
    }
    for key, verbs in owners.items():
        if key in fields and not set(verbs) & set(rule.actions):
            fields[key].fail(f"belongs to the action {' or '.join(verbs)}, which is not taken here")
    if "per" in fields and "rate" not in fields:
        fields["per"].fail("belongs beside `rate`")
    if Verb.LIMIT in rule.actions and rule.rate is None:
        fields["action"].fail("limit needs a `rate`, for example `rate: 10/minute`")
    if Verb.RUN in rule.actions and not rule.run:
        fields["action"].fail("run needs `run`: the name of a script in the settings")


def _check_kind(fields: dict[str, Value], rule: Rule) -> None:
    """Refuse what a rule about findings, or one about packets, cannot do."""
    if rule.is_about_findings:
        _check_finding_rule(fields, rule)
    else:
        _check_packet_rule(fields, rule)


def _check_finding_rule(fields: dict[str, Value], rule: Rule) -> None:
    if Verb.DROP in rule.actions:
        fields["action"].fail("a rule about findings bans: write `action: ban`")
    if Verb.SYNPROXY in rule.actions:
        fields["action"].fail("synproxy is for rules about packets; findings can be limited")
    if Verb.LIMIT in rule.actions and DECIDING & set(rule.actions):
        fields["action"].fail("limit cannot stand beside another decision about a finding")
    match, refused = (
        rule.match,
        {
            "interface": "interfaces",
            "vlan": "vlans",
            "rate": "rate",
            "connections": "connections",
        },
    )
    for key, attribute in refused.items():
        given = getattr(match, attribute)
        if given or (key == "interface" and (match.in_interfaces or match.out_interfaces)):
            fields["match"].fail(f"a finding has no {key}; remove it, or make a rule about packets")
    if match.source_ports:
        fields["match"].fail("a finding has no source_port; `pattern` says which packets are meant")
    if rule.hooks:
        fields["scope"].fail("`hooks` are for rules about packets; write responders")
    if rule.target is Role.SERVICE and rule.pattern is not None:
        fields["pattern"].fail("`target: service` says the pattern; use `target: victim` with it")


def _check_packet_rule(fields: dict[str, Value], rule: Rule) -> None:
    for key in ("target", "packets", "pattern"):
        if key in fields:
            fields[key].fail("is for rules about findings; `match` says which packets are meant")
    excess = rule.match.rate is not None or rule.match.connections
    if not excess:
        _check_immediate(fields, rule)
    elif rule.match.rate is not None and not set(rule.actions) <= {
        Verb.DROP,
        Verb.BAN,
        Verb.NOTIFY,
        Verb.RUN,
    }:
        fields["action"].fail("what exceeds a rate can be dropped or banned; write `action: drop`")
    if excess and Verb.BAN in rule.actions and rule.match.rate is not None and not rule.match.per:
        fields["match"].fail("`per: all` names nobody to ban; count per source or destination")
    if Verb.SYNPROXY in rule.actions and not (rule.match.destination and rule.match.services):
        fields["action"].fail("synproxy needs a `destination` and a TCP `service` in the match")
    if rule.responders and not excess:
        fields["scope"].fail("`responders` are for decisions; packets are judged in the kernel")


def _check_immediate(fields: dict[str, Value], rule: Rule) -> None:
    wrong = [verb for verb in rule.actions if verb not in PACKET_VERBS - {Verb.BAN}]
    if Verb.BAN in wrong:
        fields["action"].fail("ban needs a `finding` or a `rate` to act on; packets are dropped")
    if wrong:
        fields["action"].fail(
            f"{wrong[0]} needs a `finding` (`finding: any`) or a `rate` to act on"
        )
