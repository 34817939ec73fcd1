"""Conditions of a packet rule as nftables expressions.

A rule may need several expressions, one after the other: IPv4 and IPv6 addresses, ports and ICMP
types cannot be asked for in one. They exclude each other, so that a packet meets at most one of
them and is counted, limited or logged once.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.packetrule import Hook
from phage.respond.nft.names import RuleSetError, interface
from phage.respond.nft.ranges import (
    IP,
    Range,
    any_of,
    checked,
    is_everything,
    merged,
    numbers_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.records.packetrule import Addresses, Network, PacketRule
    from phage.respond.nft.objects import Objects

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
PORTED = (TCP, UDP, SCTP)
PORT_NAMES = {TCP: "tcp", UDP: "udp", SCTP: "sctp"}
TYPED = {ICMP: (4, "icmp"), ICMPV6: (6, "icmpv6")}
"""Protocols whose "ports" are message types: their IP version and what nft calls them."""

NO_PROXY: Mapping[int, str] = MappingProxyType({})
NFPROTO = {4: "ipv4", 6: "ipv6"}


@frozen
class Match:
    """An expression, and the IP version it holds for (0 for both)."""

    text: str
    version: int


def matches(
    rule: PacketRule, hook: Hook, objects: Objects, proxied: Mapping[int, str] = NO_PROXY
) -> Iterator[Match]:
    """Yield the expressions of a rule's conditions at a hook; none when it can never hold there.

    What counts by address is not among them. `proxied` are the sets of what is behind the SYN
    proxy, by IP version.
    """
    link = _link(rule, hook, objects)
    if link is None:
        return
    services = _services(rule)
    for version, addresses in _families(rule, objects, split=_must_split(rule, proxied)):
        for wanted, service in services:
            if version and wanted not in {0, version}:
                continue
            for state in _states(rule, version, service, proxied):
                yield Match(_joined(addresses, service, state, *link), version)


def is_opening(rule: PacketRule) -> bool:
    """Tell whether a rule is about packets that open a connection only."""
    return rule.new or (rule.rate is not None and rule.rate.unit == "connections")


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _must_split(rule: PacketRule, proxied: Mapping[int, str]) -> bool:
    """Tell whether IPv4 and IPv6 need expressions of their own whatever the addresses are."""
    return bool(rule.per or rule.connections or (proxied and is_opening(rule)))


def _link(rule: PacketRule, hook: Hook, objects: Objects) -> list[str] | None:
    """Return conditions on interfaces, VLANs and MACs; None when the hook cannot meet them."""
    if hook is Hook.OUTPUT and (rule.in_interfaces or rule.source_macs):
        return None
    if hook is Hook.INPUT and rule.out_interfaces:
        return None
    parts = []
    if rule.in_interfaces:
        parts.append(f"iifname {_interfaces(rule.in_interfaces)}")
    if rule.out_interfaces:
        parts.append(f"oifname {_interfaces(rule.out_interfaces)}")
    if rule.vlans:
        side = "oifname" if hook is Hook.OUTPUT else "iifname"
        parts.append(f"{side} {objects.vlans(rule.vlans)}")
    if rule.source_macs:
        parts.append(f"ether saddr {any_of(sorted({_mac(mac) for mac in rule.source_macs}))}")
    return parts


def _interfaces(names: tuple[str, ...]) -> str:
    return any_of(sorted({interface(name) for name in names}))


def _mac(number: int) -> str:
    if not 0 <= number < 1 << 48:
        message = f"{number} is not a MAC"
        raise RuleSetError(message)
    return number.to_bytes(6, "big").hex(":")


def _families(rule: PacketRule, objects: Objects, *, split: bool) -> Iterator[tuple[int, str]]:
    """Yield IP version and the conditions on addresses; version 0 where neither matters."""
    if rule.family not in {0, 4, 6}:
        message = f"a family is 4, 6 or 0 for both, not {rule.family}"
        raise RuleSetError(message)
    found = {}
    for version in (rule.family,) if rule.family else (4, 6):
        sides = [
            _side(condition, side, version, objects)
            for side, condition in (("saddr", rule.source), ("daddr", rule.destination))
        ]
        if None not in sides:
            found[version] = _joined(*(side for side in sides if side))
    if found == {4: "", 6: ""} and not split:
        yield 0, ""
        return
    for version, text in found.items():
        yield version, text or f"meta nfproto {NFPROTO[version]}"


def _side(condition: Addresses, side: str, version: int, objects: Objects) -> str | None:
    """Return the condition on one address for one IP version; None when it cannot hold."""
    field = f"{IP[version]} {side}"
    parts = []
    if condition.networks or condition.sets:
        wanted = objects.ranges(condition.networks, condition.sets, version)
        if not wanted:
            return None
        if not is_everything(wanted, version):
            label = _label(condition.networks, condition.sets)
            parts.append(f"{field} {objects.addresses(label, wanted, version)}")
    excluded = objects.ranges(condition.excluded, condition.excluded_sets, version)
    if is_everything(excluded, version):
        return None
    if excluded:
        label = _label(condition.excluded, condition.excluded_sets)
        parts.append(f"{field} != {objects.addresses(label, excluded, version)}")
    return _joined(*parts)


def _label(networks: Sequence[Network], sets: Sequence[str]) -> str:
    """Name addresses after the set they are; rules that ask for the same networks share them."""
    return sets[0] if len(sets) == 1 and not networks else "networks"


def _services(rule: PacketRule) -> list[tuple[int, str]]:
    """Return the alternatives of protocol and ports, each with the IP version it implies."""
    sources = checked(rule.source_ports, 0xFFFF, "port")
    wanted = _by_protocol(rule)
    if not wanted:
        if not sources:
            return [(0, "")]
        wanted = dict.fromkeys(PORTED)
    if sources:
        wanted = {each: ports for each, ports in wanted.items() if each in PORTED}
    tail = f"th sport {any_of(numbers_text(sources))}" if sources else ""
    found: list[tuple[int, str]] = []
    whole = [protocol for protocol, ports in wanted.items() if ports is None]
    if whole:
        text = f"meta l4proto {any_of([str(protocol) for protocol in sorted(whole)])}"
        found.append((0, _joined(text, tail)))
    ported = {each: ports for each, ports in wanted.items() if each in PORTED and ports}
    if ported:
        found.append((0, _joined(_ports(ported), tail)))
    for protocol, (version, name) in TYPED.items():
        if types := wanted.get(protocol):
            found.append((version, f"{name} type {any_of(numbers_text(types))}"))
    return found


def _by_protocol(rule: PacketRule) -> dict[int, tuple[Range, ...] | None]:
    """Gather ranges by protocol; None for all of a protocol."""
    wanted: dict[int, tuple[Range, ...] | None] = {}
    for service in rule.services:
        protocol = service.protocol
        if not 0 <= protocol <= 255:
            message = f"{protocol} is not an IP protocol"
            raise RuleSetError(message)
        if not service.ports:
            wanted[protocol] = None
            continue
        if protocol in TYPED:
            ranges = checked(service.ports, 0xFF, "message type")
        elif protocol in PORTED:
            ranges = checked(service.ports, 0xFFFF, "port")
        else:
            message = f"protocol {protocol} has no ports"
            raise RuleSetError(message)
        before = wanted.get(protocol, ())
        wanted[protocol] = None if before is None else merged((*before, *ranges))
    return wanted


def _ports(wanted: dict[int, tuple[Range, ...]]) -> str:
    """Write destination ports; of several protocols as one look-up of protocol and port."""
    if len(set(wanted.values())) == 1:
        ports = any_of(numbers_text(next(iter(wanted.values()))))
        if len(wanted) == 1:
            return f"{PORT_NAMES[next(iter(wanted))]} dport {ports}"
        return f"meta l4proto {any_of([str(each) for each in sorted(wanted)])} th dport {ports}"
    pairs = [
        f"{protocol} . {ports}"
        for protocol, ranges in sorted(wanted.items())
        for ports in numbers_text(ranges)
    ]
    return f"meta l4proto . th dport {any_of(pairs)}"


def _states(
    rule: PacketRule, version: int, service: str, proxied: Mapping[int, str]
) -> Iterator[str]:
    """Yield the alternatives of "opens a connection".

    To a service behind the SYN proxy that is done by packets that are not tracked yet.
    """
    if not is_opening(rule):
        yield ""
        return
    yield "ct state new"
    if service.startswith(("udp", "sctp", "icmp")):
        return
    if there := proxied.get(version):
        pair = f"{IP[version]} daddr . th dport"
        yield f"meta l4proto {TCP} {pair} @{there} ct state invalid,untracked"
