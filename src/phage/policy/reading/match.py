"""Reading conditions: `match:` and what stands below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from phage.config.kinds import check_interface
from phage.policy.reading.parties import (
    FAR_KEYS,
    NEAR_KEYS,
    is_object_name,
    read_keyed,
    read_parties,
)
from phage.policy.reading.time import read_times
from phage.policy.rule import Match, ObjectName, Way
from phage.policy.services import PORTED, TCP, UDP, parse_protocol, parse_range, parse_service
from phage.records.decision import Rate
from phage.records.finding import Severity
from phage.records.packetrule import Service

if TYPE_CHECKING:
    from phage.policy.reading.node import Value

DIRECT_KEYS = ("source", "destination")
SERVICE_KEYS = ("service", "protocol", "port", "source_port")
LINK_KEYS = ("interface", "vlan", "direction")
FINDING_KEYS = ("finding", "severity", "score")
EXCESS_KEYS = ("rate", "per", "connections")
MATCH_KEYS = (
    *DIRECT_KEYS,
    *NEAR_KEYS,
    *FAR_KEYS,
    "confidence",
    *SERVICE_KEYS,
    *LINK_KEYS,
    "time",
    *FINDING_KEYS,
    *EXCESS_KEYS,
    "not",
)
NOT_KEYS = (
    *DIRECT_KEYS,
    *NEAR_KEYS,
    *FAR_KEYS,
    "confidence",
    "service",
    "protocol",
    "port",
    "time",
    "finding",
)
"""What `not` takes; the rest is said the other way round more clearly."""

ANY_FINDING = "any"
PER = ("source", "destination", "all")
MAX_CONNECTIONS = 10_000_000

_INTERFACE = re.compile(r"[A-Za-z0-9_.:@+-]+")
"""What the kernel's rules can be asked for; names that Linux allows may have other characters."""

_RATE = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*([kKMG]?)\s*(packets?|connections?|octets|bytes|B|bits?|b)?"
    r"\s*(?:/|per\s)\s*([0-9]{1,5})?\s*(s|sec|second|m|min|minute|h|hour|d|day)s?"
)
_PREFIX = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000, "G": 1_000_000_000}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MAX_RATE = 10**15 - 1
"""Octets; of packets and connections the kernel counts 32 bits."""
MAX_COUNT = 2**32 - 1
MAX_RATE_SECONDS = 86_400


def read_match(value: Value) -> Match:
    """Read a rule's `match`. Raises Fault."""
    if value.is_scalar:
        if value.plain != "everything":
            value.fail(
                f"must be conditions, for example {{source: 192.0.2.0/24}}, or the word "
                f"`everything`, not {value.shown()}"
            )
        return Match(everything=True)
    fields = value.keys(MATCH_KEYS, "{source: 192.0.2.0/24}")
    if not fields:
        value.fail("is empty; write conditions, or `match: everything` if you mean every packet")
    excluded = _conditions(fields["not"].keys(NOT_KEYS), None) if "not" in fields else None
    if excluded == Match():
        fields["not"].fail("is empty; write conditions, or remove it")
    match = _conditions(fields, excluded)
    _check_sides(fields, match)
    return match


def _conditions(fields: dict[str, Value], excluded: Match | None) -> Match:
    into, out, either = _interfaces(fields.get("interface"))
    near = read_keyed(fields, NEAR_KEYS)
    far = read_keyed(fields, FAR_KEYS)
    rate, per, connections = _excess(fields)
    return Match(
        source=read_parties(fields["source"]) if "source" in fields else (),
        destination=read_parties(fields["destination"]) if "destination" in fields else (),
        near=near,
        far=far,
        services=read_services(fields),
        source_ports=_ranges(fields["source_port"]) if "source_port" in fields else (),
        interfaces=either,
        in_interfaces=into,
        out_interfaces=out,
        vlans=_vlans(fields.get("vlan")),
        ways=frozenset(item.member(Way) for item in fields["direction"].some())
        if "direction" in fields
        else frozenset(),
        times=read_times(fields["time"]) if "time" in fields else (),
        findings=_findings(fields.get("finding")),
        severity=fields["severity"].member(Severity) if "severity" in fields else None,
        score=fields["score"].number(0.0, 1_000_000.0) if "score" in fields else None,
        rate=rate,
        per=per,
        connections=connections,
        excluded=excluded,
    )


def _check_sides(fields: dict[str, Value], match: Match) -> None:
    """Refuse `device` or `country` where both sides are said already."""
    keys = [key for key in (*NEAR_KEYS, *FAR_KEYS) if key in fields]
    if keys and match.source and match.destination:
        fields[keys[0]].fail(
            f"both sides are said already: put {keys[0]} into `source` or `destination`"
        )
    if match.near and match.far and (match.source or match.destination):
        fields[keys[0]].fail(
            f"{keys[0]} and {keys[-1]} are the two sides already; put one of them into `source` "
            "or `destination`"
        )


def read_services(fields: dict[str, Value]) -> tuple[Service | ObjectName, ...]:
    """Read `service`, or `protocol` and `port`. Raises Fault."""
    if "service" in fields:
        for key in ("protocol", "port"):
            if key in fields:
                fields[key].fail(f"`service` says the {key} already; use one of them")
        return tuple(found for item in fields["service"].some() for found in _service(item))
    protocols = (
        [_protocol(item) for item in fields["protocol"].some()] if "protocol" in fields else []
    )
    if "port" not in fields:
        return tuple(Service(protocol) for protocol in protocols)
    without = [item for item in protocols if item not in PORTED]
    if without:
        fields["port"].fail("only tcp, udp and sctp have ports")
    ports = _ranges(fields["port"])
    return tuple(Service(protocol, ports) for protocol in protocols or (TCP, UDP))


def _service(item: Value) -> tuple[Service | ObjectName, ...]:
    text = item.text()
    try:
        services = parse_service(text)
    except ValueError as error:
        item.fail(str(error))
    if services is not None:
        return services
    if not is_object_name(text):
        item.fail(f"{text[:40]!r} is no service; write ssh, tcp/22, udp/8000-8100 or icmp")
    return (ObjectName(text, item.place),)


def _protocol(item: Value) -> int:
    try:
        return parse_protocol(item.text())
    except ValueError as error:
        item.fail(str(error))


def _ranges(value: Value) -> tuple[tuple[int, int], ...]:
    ranges = []
    for item in value.some():
        try:
            ranges.append(parse_range(item.text()))
        except ValueError as error:
            item.fail(str(error))
    return tuple(ranges)


def _vlans(value: Value | None) -> tuple[int, ...]:
    return () if value is None else tuple(item.integer(1, 4094) for item in value.some())


def _interface(item: Value) -> str:
    try:
        name = check_interface(item.text())
    except ValueError as error:
        item.fail(str(error))
    if _INTERFACE.fullmatch(name) is None:
        item.fail(
            f"{name!r} cannot be asked for; write whole names of letters, digits, _ . : @ + -"
        )
    return name


def _interfaces(
    value: Value | None,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return names of interfaces: in, out, either."""
    if value is None:
        return (), (), ()
    if not value.is_mapping:
        return (), (), tuple(_interface(item) for item in value.some())
    fields = value.keys(("in", "out"), "{in: eth0}")
    if not fields:
        value.fail("is empty; write {in: eth0}, {out: eth1} or both")
    into, out = (
        tuple(_interface(item) for item in fields[key].some()) if key in fields else ()
        for key in ("in", "out")
    )
    return into, out, ()


def _findings(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    names = tuple(item.name() for item in value.some())
    return (ANY_FINDING,) if ANY_FINDING in names else names


def _excess(fields: dict[str, Value]) -> tuple[Rate | None, str, int]:
    rate = read_rate(fields["rate"]) if "rate" in fields else None
    if "per" in fields and rate is None:
        fields["per"].fail("belongs beside `rate`")
    connections = (
        fields["connections"].integer(1, MAX_CONNECTIONS) if "connections" in fields else 0
    )
    return rate, read_per(fields.get("per")) if rate else "", connections


def read_per(value: Value | None) -> str:
    """Read whose packets a rate counts: each source's by default. Raises Fault."""
    word = "source" if value is None else value.choice(PER)
    return "" if word == "all" else word


def read_rate(value: Value) -> Rate:
    """Read "10/minute", "1000 packets/s", "20 connections/10 s", "5 MB/s". Raises Fault."""
    text = value.text()
    found = _RATE.fullmatch(text)
    if found is None:
        value.fail(
            f"{text[:40]!r} is no rate; write 10/minute, 1000 packets/s, "
            "20 connections/minute or 5 MB/s"
        )
    unit, factor = _unit(found[3] or "")
    count = round(float(found[1]) * _PREFIX[found[2]] * factor)
    seconds = int(found[4] or 1) * _SECONDS[found[5][0]]
    most = MAX_RATE if unit == "octets" else MAX_COUNT
    if not 1 <= count <= most or not 1 <= seconds <= MAX_RATE_SECONDS:
        value.fail(f"{text[:40]!r} is out of range: from 1 to {most} {unit}, within at most a day")
    return Rate(count, unit, seconds)


def _unit(word: str) -> tuple[str, float]:
    """Return the unit of a rate, and by what its number is multiplied."""
    if word.startswith("connection"):
        return "connections", 1
    if word in {"octets", "bytes", "B"}:
        return "octets", 1
    if word in {"b", "bit", "bits"}:
        return "octets", 0.125
    return "packets", 1
