"""Reading tests and what they take for known."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from phage.policy.reading.match import read_services
from phage.policy.reading.parties import (
    canonical_country,
    canonical_domain,
    canonical_mac,
    canonical_system,
    parse_networks,
)
from phage.policy.reading.rule import read_verbs
from phage.policy.reading.time import read_moment
from phage.policy.rule import (
    FindingCase,
    Given,
    GivenDevice,
    Kind,
    RuleTest,
    TrafficCase,
    Verb,
)
from phage.policy.services import TCP, service_texts
from phage.records.finding import Severity
from phage.records.packetrule import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.policy.reading.node import Value
    from phage.records.packetrule import Network

TEST_KEYS = ("name", "traffic", "finding", "expect", "rule", "at")
TRAFFIC_KEYS = (
    "source",
    "destination",
    "service",
    "protocol",
    "port",
    "source_port",
    "interface",
    "vlan",
    "connections",
    "exceeds",
)
FINDING_KEYS = (
    "detector",
    "source",
    "destination",
    "severity",
    "score",
    "service",
    "domain",
    "spoofable",
)
GIVEN_KEYS = (
    "self",
    "home",
    "gateway",
    "admin",
    "devices",
    "lists",
    "countries",
    "as",
    "domains",
)
_SETS: dict[str, tuple[Kind, Callable[[str], str]]] = {
    "lists": (Kind.LIST, str),
    "countries": (Kind.COUNTRY, canonical_country),
    "as": (Kind.AS, canonical_system),
    "domains": (Kind.DOMAIN, canonical_domain),
}
NOTHING = "nothing"


def read_test(value: Value) -> RuleTest:
    """Read one test. Raises Fault."""
    fields = value.keys(TEST_KEYS, "{traffic: …, expect: drop}")
    if ("traffic" in fields) == ("finding" in fields):
        value.fail("must have either `traffic` or `finding`")
    if "expect" not in fields:
        value.fail("has no `expect`; write what must follow, for example `expect: drop`")
    case = _traffic(fields["traffic"]) if "traffic" in fields else _finding(fields["finding"])
    return RuleTest(
        case=case,
        expect=_expect(fields["expect"]),
        rule=fields["rule"].name() if "rule" in fields else "",
        at=read_moment(fields["at"]) if "at" in fields else None,
        place=value.place,
    )


def _expect(value: Value) -> tuple[Verb, ...]:
    return () if value.plain == NOTHING else read_verbs(value)


def _party(value: Value) -> str:
    """Read an address, one of the names that stand for one, or the name of a given device."""
    text = value.name()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _traffic(value: Value) -> TrafficCase:
    fields = value.keys(TRAFFIC_KEYS, "{source: 203.0.113.9, destination: self, service: ssh}")
    for key in ("source", "destination"):
        if key not in fields:
            value.fail(f"has no `{key}`")
    protocol, port = _service(fields)
    into = out = ""
    if "interface" in fields:
        sides = fields["interface"].keys(("in", "out"), "{in: eth0}")
        into, out = (sides[key].name() if key in sides else "" for key in ("in", "out"))
    return TrafficCase(
        source=_party(fields["source"]),
        destination=_party(fields["destination"]),
        protocol=protocol,
        port=port,
        source_port=fields["source_port"].integer(0, 65_535) if "source_port" in fields else None,
        in_interface=into,
        out_interface=out,
        vlan=fields["vlan"].integer(1, 4094) if "vlan" in fields else 0,
        connections=fields["connections"].integer(0, 10**9) if "connections" in fields else 0,
        exceeds=fields["exceeds"].flag() if "exceeds" in fields else False,
    )


def _service(fields: dict[str, Value]) -> tuple[int, int | None]:
    """Return the protocol and port of a test's packet: the first that its service means."""
    for key in ("service", "protocol", "port"):
        if key in fields and len(fields[key].items()) != 1:
            fields[key].fail("a test sends one packet; name one")
    services = read_services(fields)
    if not services:
        return TCP, None
    first = services[0]
    if not isinstance(first, Service):
        fields["service"].fail(
            f"{first.name!r} is no service known here; write tcp/22, for example"
        )
    if not first.ports:
        return first.protocol, None
    return first.protocol, first.ports[0][0]


def _finding(value: Value) -> FindingCase:
    fields = value.keys(FINDING_KEYS, "{detector: portscan, source: 203.0.113.9}")
    if "detector" not in fields:
        value.fail("has no `detector`; write who reports it, for example `detector: portscan`")
    services = read_services(fields)
    texts = [text for item in services if isinstance(item, Service) for text in service_texts(item)]
    if len(texts) < len(services):
        fields["service"].fail("a test names services as they are: tcp/22, for example")
    return FindingCase(
        detector=fields["detector"].name(),
        source=_party(fields["source"]) if "source" in fields else "",
        destination=_party(fields["destination"]) if "destination" in fields else "",
        severity=fields["severity"].member(Severity) if "severity" in fields else None,
        score=fields["score"].number(0.0, 1_000_000.0) if "score" in fields else 1.0,
        services=tuple(texts),
        domain=fields["domain"].text(253) if "domain" in fields else "",
        spoofable=fields["spoofable"].flag() if "spoofable" in fields else False,
    )


def read_given(value: Value) -> Given:
    """Read what tests take for known. Raises Fault."""
    fields = value.keys(GIVEN_KEYS, "{self: 192.168.1.1, home: 192.168.1.0/24}")
    sets: dict[tuple[Kind, str], tuple[Network, ...]] = {}
    for key, (kind, canonical) in _SETS.items():
        for name, members in fields[key].entries("{name: [192.0.2.0/24]}") if key in fields else ():
            try:
                sets[kind, canonical(name.name())] = _networks(members)
            except ValueError as error:
                name.fail(str(error))
    return Given(
        own=_networks(fields.get("self")),
        home=_networks(fields.get("home")),
        gateways=_networks(fields.get("gateway")),
        admins=_networks(fields.get("admin")),
        devices=tuple(
            _device(name, item)
            for name, item in (
                fields["devices"].entries("{tv: {address: 192.168.1.20}}")
                if "devices" in fields
                else ()
            )
        ),
        sets=sets,
    )


def _networks(value: Value | None) -> tuple[Network, ...]:
    found: list[Network] = []
    for item in value.items() if value is not None else ():
        try:
            found += parse_networks(item.text())
        except ValueError as error:
            item.fail(str(error))
    return tuple(found)


def _device(name: Value, value: Value) -> GivenDevice:
    fields = value.keys(("address", "mac", "category", "label"), "{address: 192.168.1.20}")
    mac = ""
    if "mac" in fields:
        try:
            mac = canonical_mac(fields["mac"].text())
        except ValueError as error:
            fields["mac"].fail(str(error))
    networks = _networks(fields.get("address"))
    if any(network.num_addresses != 1 for network in networks):
        fields["address"].fail("a device has single addresses, no networks")
    return GivenDevice(
        name=name.name(),
        addresses=tuple(str(network.network_address) for network in networks),
        mac=mac,
        category=fields["category"].name() if "category" in fields else "",
        labels=tuple(item.name() for item in fields["label"].some()) if "label" in fields else (),
    )
