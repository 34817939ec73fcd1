"""The rules that ask the sets of bans, as whole chains written anew when a set comes or goes.

A packet is looked up first and the allow-list is asked only on a hit: an allowed address is never
banned, and what is in no set pays for one look-up a set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.records.decision import Action
from phage.respond.bans.places import Keys, Place
from phage.respond.netlink import expressions as expr
from phage.respond.netlink.tables import (
    HOOK_FORWARD,
    HOOK_INGRESS,
    HOOK_OUTPUT,
    HOOK_PREROUTING,
    BaseChain,
)
from phage.respond.nft import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Rule = tuple[bytes, ...]

COUNTER_FROM = "ban_from"
COUNTER_TO = "ban_to"
COUNTER_REJECTED = "rejected"
COUNTER_QUARANTINE = "quarantined"
COUNTERS = (COUNTER_REJECTED, COUNTER_QUARANTINE)
"""Named counters; what floods are dropped by counts within its rules."""

DROP_FROM, DROP_TO = "drop_from", "drop_to"
HOLD_FROM, HOLD_TO = "hold_from", "hold_to"
PATTERNS, LIMITS, OPENINGS = "patterns", "limits", "openings"
QUARANTINE, QUARANTINE_TO = "quarantine", "quarantine_to"
REFUSE = "refuse"
SPLIT = (DROP_FROM, DROP_TO, HOLD_FROM, HOLD_TO)
"""Chains of which there is one for each IP version."""

FEW = 2
"""Rules that stand where packets come in, rather than in a chain of their own: a jump takes as long
as a tenth of a look-up among a hundred thousand."""

COUNTING = (
    layout.INGRESS,
    layout.PREROUTING,
    *(f"{chain}{version}" for chain in (DROP_FROM, DROP_TO) for version in (4, 6)),
)
"""Chains whose rules count."""

JUMPED_TO = (
    REFUSE,
    QUARANTINE,
    QUARANTINE_TO,
    PATTERNS,
    LIMITS,
    OPENINGS,
    *(f"{chain}{version}" for chain in SPLIT for version in (4, 6)),
)

_SOURCE = {4: (12, 4), 6: (8, 16)}
_DESTINATION = {4: (16, 4), 6: (24, 16)}
_UDP, _TCP, _ICMP, _ICMP6 = 17, 6, 1, 58
_LOOPBACK = b"lo".ljust(16, b"\0")
_LIFELINES = (
    (4, _UDP, 67, (expr.TYPE_BROADCAST,)),
    (6, _UDP, 547, (expr.TYPE_MULTICAST,)),
    *((version, protocol, 53, ()) for version in (4, 6) for protocol in (_UDP, _TCP)),
)
"""IP version, protocol, port and who else hears it: DHCP (RFC 2131, RFC 8415) and DNS."""
# Registers of 32 bits, after each other: a MAC takes two.
_MAC_REGISTER, _PAIR_REGISTER = 8, 10


@frozen
class ListShape:
    """A bulk list as rules see it: which sets it has, and which side of a packet they are for."""

    name: str
    lengths: tuple[tuple[int, int], ...]
    source: bool = True
    destination: bool = False

    @property
    def counter(self) -> str:
        """Return the name of its counter."""
        return f"list_{self.name}"


@frozen
class Shape:
    """All that the rules depend on.

    Attributes:
        places: The sets that are asked.
        lists: The bulk lists that are asked.
        specials: Rules of single decisions, by the chain they belong in.
        devices: Interfaces at whose ingress bans are asked.
    """

    places: frozenset[Place] = frozenset()
    lists: tuple[ListShape, ...] = ()
    specials: tuple[tuple[str, Rule], ...] = ()
    devices: tuple[str, ...] = ()


def base_chains(devices: tuple[str, ...]) -> list[BaseChain]:
    """Return the chains at hooks."""
    chains = [
        BaseChain(layout.PREROUTING, HOOK_PREROUTING, layout.PREROUTING_PRIORITY),
        BaseChain(layout.CONNECTIONS, HOOK_PREROUTING, layout.CONNECTIONS_PRIORITY),
        BaseChain(layout.CONNECTIONS_OUT, HOOK_OUTPUT, layout.CONNECTIONS_PRIORITY),
        BaseChain(layout.BAN_FORWARD, HOOK_FORWARD, layout.BAN_PRIORITY),
        BaseChain(layout.BAN_OUTPUT, HOOK_OUTPUT, layout.BAN_PRIORITY),
    ]
    if devices:
        ingress = BaseChain(layout.INGRESS, HOOK_INGRESS, layout.INGRESS_PRIORITY, devices)
        chains.insert(0, ingress)
    return chains


def render(shape: Shape) -> dict[str, list[Rule]]:
    """Return the rules of every chain of the bans, in order of definition."""
    chains: dict[str, list[Rule]] = {name: [] for name in JUMPED_TO}
    for version in (4, 6):
        chains[f"{DROP_FROM}{version}"] = list(_drops(shape, version, to=False))
        chains[f"{DROP_TO}{version}"] = [
            *_drops(shape, version, to=True),
            *_held(shape, version, Action.REJECT, to=True),
        ]
        chains[f"{HOLD_FROM}{version}"] = [
            *_held(shape, version, Action.REJECT, to=False),
            *_held(shape, version, Action.QUARANTINE, to=False),
        ]
        chains[f"{HOLD_TO}{version}"] = list(_held(shape, version, Action.QUARANTINE, to=True))
    for chain, rule in shape.specials:
        chains[chain].append(rule)
    chains[REFUSE] = refusal()
    chains[QUARANTINE] = list(_quarantine(to=False))
    chains[QUARANTINE_TO] = list(_quarantine(to=True))
    _Base(chains).add(shape)
    return chains


@dataclass(slots=True)
class _Base:
    """Fills the chains at hooks: jumps to what has rules."""

    chains: dict[str, list[Rule]] = field(default_factory=dict)

    def add(self, shape: Shape) -> None:
        if shape.devices:
            self.chains[layout.INGRESS] = [*self._drops(), *self._whole(PATTERNS)]
        inward = [
            *self._drops(),
            *self._whole(PATTERNS),
            *self._split(HOLD_FROM),
            *self._whole(LIMITS),
        ]
        # What the machine says to itself is nobody's to block.
        own = (expr.meta(expr.META_IIFNAME), expr.compare(_LOOPBACK), expr.accept())
        self.chains[layout.PREROUTING] = [own, *inward] if inward else []
        self.chains[layout.CONNECTIONS] = self._whole(OPENINGS)
        self.chains[layout.CONNECTIONS_OUT] = self._whole(OPENINGS)
        self.chains[layout.BAN_FORWARD] = [*self._split(DROP_TO), *self._split(HOLD_TO)]
        self.chains[layout.BAN_OUTPUT] = [
            *self._split(DROP_TO),
            *self._whole(PATTERNS),
            *self._whole(LIMITS),
        ]

    def _drops(self) -> list[Rule]:
        """Return what drops by the source, IPv4 first; few rules of a version without a jump."""
        found: list[Rule] = []
        for version in (4, 6):
            rules = self.chains[f"{DROP_FROM}{version}"]
            if len(rules) <= FEW:
                found += [(*is_version(version), *rule) for rule in rules]
            else:
                found.append((*is_version(version), expr.jump(f"{DROP_FROM}{version}")))
        return found

    def _split(self, chain: str) -> list[Rule]:
        return [
            (*is_version(version), expr.jump(f"{chain}{version}"))
            for version in (4, 6)
            if self.chains[f"{chain}{version}"]
        ]

    def _whole(self, chain: str) -> list[Rule]:
        return [(expr.jump(chain),)] if self.chains[chain] else []


def is_version(version: int) -> Rule:
    """Match packets of an IP version."""
    return expr.meta(expr.META_NFPROTO), expr.compare(expr.FAMILY[version])


def is_protocol(protocol: int) -> Rule:
    """Match packets of a transport protocol."""
    return expr.meta(expr.META_L4PROTO), expr.compare(bytes([protocol]))


def address(version: int, *, to: bool, register: int = 1) -> bytes:
    """Load the source or destination address."""
    return expr.payload(
        expr.NETWORK, *(_DESTINATION if to else _SOURCE)[version], register=register
    )


def in_place(place: Place, version: int) -> Rule:
    """Match packets whose address is in a set and not in the allow-list."""
    allowed = (
        address(version, to=place.to),
        expr.lookup(layout.ALLOW[version], absent=True),
    )
    ethernet = (expr.meta(expr.META_IIFTYPE), expr.compare(expr.ETHERNET))
    mac = expr.payload(expr.LINK, 6, 6, _MAC_REGISTER)
    if place.keys is Keys.MAC:
        return (*ethernet, mac, expr.lookup(place.name, _MAC_REGISTER), *allowed)
    if place.keys is Keys.PAIR:
        second = address(version, to=False, register=_PAIR_REGISTER)
        return (*ethernet, mac, second, expr.lookup(place.name, _MAC_REGISTER), *allowed)
    return _in_networks(place.name, version, place.length, to=place.to)


def _in_networks(name: str, version: int, length: int, *, to: bool) -> Rule:
    """Load once where nothing is masked: this is what a flood is dropped by."""
    loaded = address(version, to=to)
    allowed = expr.lookup(layout.ALLOW[version], absent=True)
    if length == layout.HOST_BITS[version]:
        return loaded, expr.lookup(name), allowed
    mask = expr.masked(layout.mask(version, length))
    return loaded, mask, expr.lookup(name), loaded, allowed


def _places(shape: Shape, version: int, action: Action, *, to: bool) -> Iterable[Place]:
    chosen = [
        place
        for place in shape.places
        if place.action is action and place.to is to and place.version in (0, version)
    ]
    # Longest first: single addresses are the many.
    return sorted(chosen, key=lambda place: (place.keys, -place.length))


def _drops(shape: Shape, version: int, *, to: bool) -> Iterator[Rule]:
    counter = COUNTER_TO if to else COUNTER_FROM
    for place in _places(shape, version, Action.BAN, to=to):
        yield (*in_place(place, version), expr.Count(counter), expr.drop())
    for each in shape.lists:
        if not (each.destination if to else each.source):
            continue
        for kind, length in sorted(each.lengths, reverse=True):
            if kind == version:
                name = layout.list_set(each.name, version, length)
                yield (
                    *_in_networks(name, version, length, to=to),
                    expr.Count(each.counter),
                    expr.drop(),
                )


def _held(shape: Shape, version: int, action: Action, *, to: bool) -> Iterator[Rule]:
    chain = REFUSE if action is Action.REJECT else QUARANTINE_TO if to else QUARANTINE
    for place in _places(shape, version, action, to=to):
        yield (*in_place(place, version), expr.go_to(chain))


def refusal() -> list[Rule]:
    """Return the rules that answer a packet with a refusal."""
    counted = expr.reference(expr.COUNTER, COUNTER_REJECTED)
    return [
        (*is_protocol(_TCP), counted, expr.reset_connection()),
        (counted, expr.refuse()),
    ]


def _quarantine(*, to: bool) -> Iterator[Rule]:
    """Let DHCP, DNS, neighbour discovery and ping of this machine through, drop the rest.

    DHCP and DNS are those of this machine and of who is on the allow-list, as routers and name
    servers are: to anybody else a device would go on talking by their ports.
    """
    offset = 0 if to else 2
    for version, protocol, port, heard_by_all in _LIFELINES:
        at = expr.payload(expr.TRANSPORT, offset, 2)
        there = (at, expr.compare(port.to_bytes(2, "big")))
        service = (*is_version(version), *is_protocol(protocol), *there)
        allowed = (address(version, to=not to), expr.lookup(layout.ALLOW[version]))
        yield (*service, *allowed, expr.back())
        for kind in () if to else (expr.TYPE_LOCAL, *heard_by_all):
            yield (*service, expr.destination_kind(), expr.compare(kind), expr.back())
    kind = expr.payload(expr.TRANSPORT, 0, 1)
    local = () if to else (expr.destination_kind(), expr.compare(expr.TYPE_LOCAL))
    for protocol, ping in ((_ICMP, 0 if to else 8), (_ICMP6, 129 if to else 128)):
        yield (*is_protocol(protocol), kind, expr.compare(bytes([ping])), *local, expr.back())
    neighbours = expr.between(bytes([133]), bytes([136]))
    yield (*is_protocol(_ICMP6), kind, neighbours, expr.back())
    yield (expr.reference(expr.COUNTER, COUNTER_QUARANTINE), expr.drop())
