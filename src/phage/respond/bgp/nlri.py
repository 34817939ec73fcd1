"""Routes of decisions: blackholes (RFC 5635, 7999) and FlowSpec rules (RFC 8955, 8956).

Pure functions. Every part of a route's text is put together here from parsed addresses and numbers
that were checked; no text of a decision gets into it.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.decision import Action, Direction, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.records.decision import Decision, Pattern, Rate, Target

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Range = tuple[int, int]

MOST_RANGES = 32
"""Ranges in one component: a rule has 4,095 octets at most (RFC 8955, 4.1), and routers run out of
hardware entries long before."""

MOST_OCTETS = 1_000_000_000_000
"""Octets a second of a limit: above, ExaBGP cuts it, and no link carries it."""

MOST_PACKETS = 10_000_000_000

_TCP, _UDP = 6, 17
_IPV4_RESERVED = tuple(map(ipaddress.IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")))
_IPV6_RESERVED = tuple(
    map(ipaddress.IPv6Network, ("::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"))
)


class UnsuitedError(PhageError):
    """A decision cannot be said as a route; the text says why not."""


@frozen
class Route:
    """One route or FlowSpec rule in ExaBGP's words.

    Attributes:
        family: "ipv4 unicast", "ipv6 unicast", "ipv4 flow" or "ipv6 flow".
        nlri: What tells it from all others: the prefix, or the conditions.
        attributes: What goes with it: next hop, communities, action.
        passes: How much it lets through; of several actions on one NLRI the least is in force.
    """

    family: str
    nlri: str
    attributes: str
    passes: float = 0.0

    @property
    def announcement(self) -> str:
        """Return the command that brings it into force."""
        return f"announce {self._text}"

    @property
    def withdrawal(self) -> str:
        """Return the command that takes it out of force."""
        return f"withdraw {self._text}"

    @property
    def _text(self) -> str:
        if self.family.endswith("flow"):
            return f"flow route {{ match {{ {self.nlri} }} then {{ {self.attributes} }} }}"
        return f"route {self.nlri} {self.attributes}"


@frozen
class Bounds:
    """Which targets may be announced at all.

    Attributes:
        shortest4: Shortest IPv4 prefix.
        shortest6: Shortest IPv6 prefix.
        within: Only in these networks; () for anywhere.
        never: Never with one of these inside: the session's own ends.
    """

    shortest4: int = 32
    shortest6: int = 128
    within: tuple[Network, ...] = ()
    never: tuple[Network, ...] = ()

    def check(self, network: Network) -> None:
        """Raise UnsuitedError for a network that may not be announced."""
        shortest = self.shortest4 if network.version == 4 else self.shortest6
        if network.prefixlen < shortest:
            message = f"{network} is shorter than /{shortest}, the shortest prefix that is set"
            raise UnsuitedError(message)
        reserved: Sequence[Network] = _IPV4_RESERVED if network.version == 4 else _IPV6_RESERVED
        if any(network.overlaps(other) for other in reserved):
            message = f"{network} is no address of a single host"
            raise UnsuitedError(message)
        if any(_same(network, own) and network.overlaps(own) for own in self.never):
            message = f"{network} holds an end of the BGP session itself"
            raise UnsuitedError(message)

    def check_own(self, network: Network) -> None:
        """Raise UnsuitedError for a victim that is not ours to announce."""
        inside = any(_same(network, own) and _is_inside(network, own) for own in self.within)
        if self.within and not inside:
            message = f"{network} is not in the networks that are set as our own"
            raise UnsuitedError(message)


def network_of(target: Target) -> Network:
    """Return the network of an address or a prefix. Raises UnsuitedError for other targets."""
    if target.kind not in {TargetKind.IP, TargetKind.PREFIX}:
        message = f"BGP knows addresses and prefixes, no {target.kind}"
        raise UnsuitedError(message)
    try:
        return ipaddress.ip_network(target.value)
    except ValueError as error:
        message = f"not an address or a prefix: {target.value[:64]!r}"
        raise UnsuitedError(message) from error


def blackhole(
    decision: Decision, bounds: Bounds, attributes: Callable[[int], str], *, source_based: bool
) -> tuple[Route, ...]:
    """Return the route that blackholes a decision's target.

    `attributes` gives next hop and communities for IP version 4 or 6. Raises UnsuitedError.
    """
    if decision.action is not Action.BAN:
        message = f"a blackhole drops everything; it cannot {decision.action}"
        raise UnsuitedError(message)
    if not decision.pattern.is_everything:
        message = "a blackhole takes all packets of its target, and only some of them are meant"
        raise UnsuitedError(message)
    if decision.direction is not Direction.TO and not source_based:
        message = (
            "a blackhole drops what is sent to an address; dropping what comes from it needs"
            " routers that check sources against it (source_based)"
        )
        raise UnsuitedError(message)
    network = network_of(decision.target)
    bounds.check(network)
    if decision.direction is Direction.TO:
        bounds.check_own(network)
    return (Route(f"ipv{network.version} unicast", str(network), attributes(network.version)),)


def flow(
    decision: Decision, bounds: Bounds, action: Callable[[Decision], tuple[str, float]]
) -> tuple[Route, ...]:
    """Return the FlowSpec rules of a decision: one, or one each way.

    `action` gives the text of what is done and how much it lets through. Raises UnsuitedError.
    """
    network = network_of(decision.target)
    bounds.check(network)
    if decision.direction is Direction.TO:
        bounds.check_own(network)
    ends = {
        Direction.FROM: ("source",),
        Direction.TO: ("destination",),
        Direction.BOTH: ("source", "destination"),
    }[decision.direction]
    conditions = flow_conditions(decision.pattern, network.version)
    attributes, passes = action(decision)
    return tuple(
        Route(
            f"ipv{network.version} flow",
            " ".join(f"{condition};" for condition in (f"{end} {network}", *conditions)),
            attributes,
            passes,
        )
        for end in ends
    )


def flow_conditions(pattern: Pattern, version: int) -> list[str]:
    """Return the components of a pattern, in the order of their types (RFC 8955, 4.2.2)."""
    found = []
    if (protocol := _protocol(pattern)) is not None:
        # IPv6: the last next header, past extension headers (RFC 8956, 3.3).
        found.append(f"{'protocol' if version == 4 else 'next-header'} ={protocol}")
    if pattern.ports:
        found.append(f"destination-port {_ranges(pattern.ports, 'ports')}")
    if pattern.source_ports:
        found.append(f"source-port {_ranges(pattern.source_ports, 'source ports')}")
    if pattern.tcp_flags is not None:
        found += _tcp_flags(*pattern.tcp_flags)
    if pattern.lengths:
        found.append(f"packet-length {_ranges(pattern.lengths, 'lengths')}")
    if pattern.fragments:
        found.append("fragment [ =is-fragment ]")
    return found


def discard() -> tuple[str, float]:
    """Return the action that drops everything: a rate of 0 (RFC 8955, 7.1)."""
    return "discard;", 0.0


def limit(rate: Rate | None, *, packets: bool) -> tuple[str, float]:
    """Return the action of a limit, and the octets or packets a second that it lets through.

    `packets` tells whether the routers know traffic-rate-packets (RFC 8955, 7.2). Raises
    UnsuitedError.
    """
    if rate is None or rate.count < 1 or rate.seconds < 1:
        message = "a limit needs a rate of at least 1"
        raise UnsuitedError(message)
    each_second = -(-rate.count // rate.seconds)
    if rate.unit == "octets" and each_second <= MOST_OCTETS:
        return f"rate-limit {each_second};", float(each_second)
    if rate.unit == "packets" and packets and each_second <= MOST_PACKETS:
        return f"extended-community 0x800c0000{_float32(each_second)};", float(each_second)
    if rate.unit == "packets" and not packets:
        message = "the rate is in packets, and FlowSpec routers limit octets (packet_rates)"
        raise UnsuitedError(message)
    if rate.unit in {"octets", "packets"}:
        message = f"no router limits to {rate.count} {rate.unit} in {rate.seconds} s"
        raise UnsuitedError(message)
    message = f"FlowSpec cannot limit {rate.unit}"
    raise UnsuitedError(message)


def _protocol(pattern: Pattern) -> int | None:
    """Return the protocol to ask for, which a pattern's ports and flags have to go with."""
    protocol = pattern.protocol
    if protocol is not None and not 0 <= protocol <= 255:
        message = f"{protocol} is no IP protocol"
        raise UnsuitedError(message)
    if (pattern.ports or pattern.source_ports) and protocol not in {None, _TCP, _UDP}:
        message = f"FlowSpec knows ports of TCP and UDP only, not of protocol {protocol}"
        raise UnsuitedError(message)
    if pattern.tcp_flags is None:
        return protocol
    if protocol not in {None, _TCP}:
        message = f"protocol {protocol} has no TCP flags"
        raise UnsuitedError(message)
    return _TCP


def _ranges(ranges: tuple[Range, ...], what: str) -> str:
    if len(ranges) > MOST_RANGES:
        message = f"{len(ranges)} ranges of {what}; a FlowSpec rule takes {MOST_RANGES}"
        raise UnsuitedError(message)
    for low, high in ranges:
        if not 0 <= low <= high <= 0xFFFF:
            message = f"{what} from {low} to {high} are no range"
            raise UnsuitedError(message)
    # One spelling for one set: rules with the same meaning are one rule.
    spelled = [
        f"={low}" if low == high else f">={low}&<={high}" for low, high in sorted(set(ranges))
    ]
    return f"[ {' '.join(spelled)} ]"


def _tcp_flags(mask: int, value: int) -> list[str]:
    """Return the component for `flags & mask == value`: all of one set, and none of another."""
    if not 0 <= mask <= 0xFF or value & ~mask:
        message = f"TCP flags with mask {mask} and value {value} can never match"
        raise UnsuitedError(message)
    parts = []
    if value:
        parts.append(f"=0x{value:02x}")
    if mask & ~value:
        parts.append(f"!0x{mask & ~value:02x}")
    return [f"tcp-flags [ {'&'.join(parts)} ]"] if parts else []


def _float32(number: int) -> str:
    """Return a number as the octets of an IEEE single-precision number, in hex."""
    return struct.pack(">f", number).hex()


def _same(one: Network, other: Network) -> bool:
    return one.version == other.version


def _is_inside(network: Network, outer: Network) -> bool:
    return network.prefixlen >= outer.prefixlen and network.overlaps(outer)
