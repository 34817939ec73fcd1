"""Rules back to YAML: what `read_rules` reads as the same rules again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from phage.config.kinds import format_duration
from phage.policy.intent import Duration
from phage.policy.reading.match import ANY_FINDING
from phage.policy.reading.time import DAYS
from phage.policy.rule import (
    PRIORITY,
    Kind,
    ObjectName,
    Role,
    TimeWindow,
)
from phage.policy.services import protocol_name, range_text, service_texts
from phage.policy.writing.plain import Values, filled, some
from phage.policy.writing.test import given_values, test_values

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from phage.policy.rule import (
        Clause,
        Match,
        NamedObject,
        Parties,
        Rule,
        RuleFile,
        Selector,
    )
    from phage.policy.ruleset import RuleSet
    from phage.records.decision import Pattern, Rate
    from phage.records.packetrule import Service


_PLAIN = frozenset({Kind.NETWORK, Kind.WELL_KNOWN, Kind.OBJECT})
_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class _Dumper(yaml.SafeDumper):
    """Writes what stands twice twice: anchors are refused where rules are read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def dump(values: Values) -> str:
    """Return values as YAML: sections in blocks, what is short on one line."""
    return yaml.dump(
        values,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


def write_file(file: RuleFile) -> str:
    """Return a rule file as YAML."""
    return dump(file_values(file))


def file_values(file: RuleFile) -> Values:
    """Return all that a rule file says, as plain values."""
    return filled(
        {
            "zone": _zone(file.zone),
            "objects": {name: object_values(item) for name, item in file.objects.items()},
            "defaults": {hook.value: action.value for hook, (action, _) in file.defaults.items()},
            "rules": [rule_values(rule) for rule in file.rules],
            "given": given_values(file.given),
            "tests": [test_values(test) for test in file.tests],
        }
    )


def ruleset_values(ruleset: RuleSet) -> Values:
    """Return a rule set as one file, in the order in which rules are asked.

    Tests are taken along where they come from one file: each file's are about a world of its own.
    """
    if len(ruleset.files) == 1:
        values = file_values(ruleset.files[0])
        return values | {"rules": [rule_values(rule) for rule in ruleset.rules]}
    zones = {file.source: file.zone for file in ruleset.files}
    return filled(
        {
            "objects": {
                name: object_values(item, file.zone)
                for file in ruleset.files
                for name, item in file.objects.items()
            },
            "defaults": {
                hook.value: action.value for hook, (action, _) in ruleset.defaults.items()
            },
            "rules": [rule_values(rule, zones.get(rule.place.file)) for rule in ruleset.rules],
        }
    )


def rule_values(rule: Rule, zone: datetime.tzinfo | None = None) -> Values:
    """Return a rule as plain values; `zone` is written into windows that name none."""
    scope = filled(
        {
            "hooks": some(sorted(hook.value for hook in rule.hooks)),
            "responders": some(rule.responders),
        }
    )
    return filled(
        {
            "name": rule.name,
            "comment": rule.comment,
            "priority": None if rule.priority == PRIORITY else rule.priority,
            "match": match_values(rule.match, zone),
            "action": some([verb.value for verb in rule.actions]),
            "for": _duration(rule.duration),
            "target": None if rule.target is Role.SOURCE else rule.target.value,
            "packets": rule.packets.value if rule.packets is not None else None,
            "pattern": _pattern(rule.pattern) if rule.pattern is not None else None,
            "rate": rate_text(rule.rate) if rule.rate is not None else None,
            "per": _per(rule.rate, rule.per),
            "scope": scope,
            "notify": some(rule.notify),
            "run": some(rule.run),
            "mode": rule.mode.value,
        }
    )


def match_values(match: Match, zone: datetime.tzinfo | None = None) -> Values | str:
    """Return a match as plain values."""
    if match.everything:
        return "everything"
    either = some(match.interfaces)
    sides = filled({"in": some(match.in_interfaces), "out": some(match.out_interfaces)})
    values = filled(
        {
            "source": parties_values(match.source),
            "destination": parties_values(match.destination),
            **_keyed(match.near),
            **_keyed(match.far),
            **_services(match.services),
            "source_port": _ranges(match.source_ports),
            "interface": either or sides,
            "vlan": some(match.vlans),
            "direction": some(sorted(way.value for way in match.ways)),
            "time": _times(match.times, zone),
            "finding": some(match.findings),
            "severity": match.severity.value if match.severity is not None else None,
            "score": match.score,
            "rate": rate_text(match.rate) if match.rate is not None else None,
            "per": _per(match.rate, match.per),
            "connections": match.connections or None,
            "not": match_values(match.excluded, zone) if match.excluded is not None else None,
        }
    )
    if match.findings == (ANY_FINDING,):
        values["finding"] = ANY_FINDING
    return values


def object_values(item: NamedObject, zone: datetime.tzinfo | None = None) -> Any:  # noqa: ANN401
    """Return an object as plain values."""
    if item.services:
        return _services(item.services)
    if item.times:
        return {"time": _times(item.times, zone)}
    return parties_values(item.parties)


def parties_values(parties: Parties) -> Any:  # noqa: ANN401  YAML.
    """Return addresses as plain values: a text, keys and values, or a list."""
    found: list[Any] = []
    for clause in parties:
        texts = _plain_texts(clause)
        found += texts if texts is not None else [_clause(clause)]
    return some(found)


def _plain_texts(clause: Clause) -> list[str] | None:
    """Return a clause's texts where it is but a list of these; None where it is not."""
    if clause.none_of or len(clause.all_of) != 1:
        return None
    group = clause.all_of[0]
    if any(item.kind not in _PLAIN | {Kind.MAC} for item in group):
        return None
    return [_text(item) for item in group]


def _clause(clause: Clause) -> Values:
    values = _groups(clause)
    if clause.none_of:
        values["not"] = parties_values(clause.none_of)
    return values


def _keyed(parties: Parties) -> Values:
    return _groups(parties[0]) if parties else {}


def _groups(clause: Clause) -> Values:
    values: Values = {}
    for group in clause.all_of:
        first = group[0]
        key = "address" if first.kind in _PLAIN else first.kind.value
        values[key] = some([_text(item) for item in group])
        if first.confidence:
            values["confidence"] = first.confidence
    return values


def _text(item: Selector) -> str:
    network = item.network
    if network is not None and network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return item.value


def _services(services: Iterable[Service | ObjectName]) -> Values:
    texts: dict[str, None] = {}
    for item in services:
        if isinstance(item, ObjectName):
            texts[item.name] = None
        else:
            texts.update(dict.fromkeys(service_texts(item)))
    return {"service": some(list(texts))} if texts else {}


def _times(times: Iterable[TimeWindow | ObjectName], zone: datetime.tzinfo | None) -> Any:  # noqa: ANN401
    return some(
        [item.name if isinstance(item, ObjectName) else _window(item, zone) for item in times]
    )


def _window(window: TimeWindow, zone: datetime.tzinfo | None) -> Values:
    days = sorted(window.days)
    return filled(
        {
            "days": None if len(days) == 7 else some([DAYS[day] for day in days]),
            "from": _clock(window.start),
            "to": _clock(window.end),
            "zone": _zone(window.zone or zone),
        }
    )


def _clock(seconds: int) -> str:
    rest = seconds % 60
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    return f"{text}:{rest:02}" if rest else text


def _zone(zone: datetime.tzinfo | None) -> str | None:
    return None if zone is None else getattr(zone, "key", None) or "UTC"


def _duration(duration: Duration) -> Any:  # noqa: ANN401
    usual = Duration()
    if duration == usual:
        return None
    if duration == Duration(duration.first, longest=max(duration.first, usual.longest)):
        return format_duration(duration.first)
    return {
        "first": format_duration(duration.first),
        "times": duration.factor,
        "longest": format_duration(duration.longest),
        "memory": format_duration(duration.memory),
    }


def rate_text(rate: Rate) -> str:
    """Return a rate as it is written: "10 connections/min"."""
    for size, unit in _UNITS:
        if rate.seconds % size == 0:
            count = rate.seconds // size
            span = unit if count == 1 else f"{count} {unit}"
            return f"{rate.count} {rate.unit}/{span}"
    return f"{rate.count} {rate.unit}/{rate.seconds} s"


def _per(rate: Rate | None, per: str) -> str | None:
    return None if rate is None or per == "source" else per or "all"


def _pattern(pattern: Pattern) -> Values:
    mask, wanted = pattern.tcp_flags or (0, 0)
    flags = [
        name if wanted >> bit & 1 else f"-{name}"
        for bit, name in enumerate(_FLAGS)
        if mask >> bit & 1
    ]
    protocol = None if pattern.protocol is None else protocol_name(pattern.protocol)
    return filled(
        {
            "protocol": protocol.removeprefix("ip/") if protocol else None,
            "port": _ranges(pattern.ports),
            "source_port": _ranges(pattern.source_ports),
            "tcp_flags": some(flags),
            "length": _ranges(pattern.lengths),
            "fragments": pattern.fragments or None,
        }
    )


def _ranges(ranges: Iterable[tuple[int, int]]) -> Any:  # noqa: ANN401
    return some([low if low == high else range_text(low, high) for low, high in ranges])
