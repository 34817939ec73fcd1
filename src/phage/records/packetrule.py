"""Packet rules: what is left of a rule set when names, objects and times have been resolved.

Policy compiles a person's rules to packet rules; a kernel responder renders them for its kernel.
Nothing in them is text that a kernel tool would interpret: names are for counters only.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from phage.records.decision import Rate

    Network = IPv4Network | IPv6Network


class Hook(enum.StrEnum):
    """Where a packet is when a rule sees it."""

    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"


class PacketAction(enum.StrEnum):
    """What a packet rule does with a packet that meets all its conditions."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    LOG = "log"
    """Log it and go on with the next rule."""
    LIMIT = "limit"
    """Drop it when it exceeds the rate; else go on with the next rule."""
    COUNT = "count"
    """Count it and go on: what a rule in dry run does."""


@frozen
class Addresses:
    """A condition on one address of a packet.

    It holds when the address lies in one of `networks` or in one of `sets` (or both are empty), and
    in none of `excluded`. `sets` are names of sets that are filled while the rules stand: feeds,
    groups of devices, domains, countries; a set has an IPv4 and an IPv6 side.
    """

    networks: tuple[Network, ...] = ()
    sets: tuple[str, ...] = ()
    excluded: tuple[Network, ...] = ()
    excluded_sets: tuple[str, ...] = ()


@frozen
class Service:
    """A protocol and, for TCP, UDP and SCTP, ranges of destination ports; () for any port.

    For ICMP (1) and ICMPv6 (58) `ports` are ranges of message types.
    """

    protocol: int
    ports: tuple[tuple[int, int], ...] = ()


@frozen
class PacketRule:
    """One rule in its place; conditions that are empty hold always, all must hold.

    Attributes:
        name: Name of the rule it comes from; several packet rules may share one.
        action: What is done.
        hooks: Where it applies.
        source: Condition on the source address.
        destination: Condition on the destination address.
        services: One of these protocols and destination ports.
        source_ports: One of these ranges of source ports (TCP, UDP, SCTP only).
        source_macs: One of these source MACs, as 48-bit numbers.
        in_interfaces: One of these; only for input and forward.
        out_interfaces: One of these; only for forward and output.
        vlans: One of these VLAN ids.
        family: 4, 6, or 0 for both.
        new: Only packets that open a connection (conntrack state new).
        rate: For LIMIT: what is let through.
        per: For LIMIT: "source", "destination" or "" for all together.
        connections: Only when the source has more than so many connections open; 0 for no such
            condition.

    Packets of connections that were accepted pass before any rule is asked (but after bans).
    """

    name: str
    action: PacketAction
    hooks: frozenset[Hook]
    source: Addresses = Addresses()
    destination: Addresses = Addresses()
    services: tuple[Service, ...] = ()
    source_ports: tuple[tuple[int, int], ...] = ()
    source_macs: tuple[int, ...] = ()
    in_interfaces: tuple[str, ...] = ()
    out_interfaces: tuple[str, ...] = ()
    vlans: tuple[int, ...] = ()
    family: int = 0
    new: bool = False
    rate: Rate | None = None
    per: str = ""
    connections: int = 0


@frozen
class SynProxy:
    """TCP services that are shielded from SYN floods: the kernel answers for them with SYN cookies.

    Only a client that returns the cookie is let through to the rules' verdict and to the service;
    so forged sources cost the service nothing. What the kernel promises in the service's name must
    be what the service would say, or connections are slow.

    Attributes:
        services: Addresses of the services; never empty.
        ports: Ranges of their ports; never empty.
        mss: Largest segment of the service.
        window_scale: Its window scale.
        timestamps: Whether it does time stamps.
        selective_acks: Whether it does selective acknowledgement.
    """

    services: tuple[Network, ...]
    ports: tuple[tuple[int, int], ...]
    mss: int = 1460
    window_scale: int = 7
    timestamps: bool = True
    selective_acks: bool = True


@frozen
class PacketRules:
    """A whole rule set: the rules in order (first that decides wins), and what happens otherwise.

    Attributes:
        rules: In order.
        defaults: What happens to a packet that no rule decided, for each hook; a hook that is not
            named accepts.
        protect: Networks whose packets are accepted before any rule or ban is asked: the
            allow-list.
        sets: Members of the sets that rules name. An empty set matches nothing.
        generation: Number of the rule set, so that both sides know which one stands.
        synproxy: Services that are shielded from SYN floods.
    """

    rules: tuple[PacketRule, ...] = ()
    defaults: tuple[tuple[Hook, PacketAction], ...] = ()
    protect: tuple[Network, ...] = ()
    sets: tuple[tuple[str, tuple[Network, ...]], ...] = ()
    generation: int = 0
    synproxy: tuple[SynProxy, ...] = ()
