"""The allow-list: what can never be decided against, whatever rule, feed, finding or person says.

It has fixed entries (multicast, broadcast, loopback), the lists of the user, and sources that are
looked at again and again: lifelines of the machine, sessions of administrators, routers seen.
"""

from __future__ import annotations

import bisect
import ipaddress
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.frozen import frozen
from phage.policy.target import canonical, mac_of, network_of, parse_target
from phage.records.decision import Action, Direction, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from phage.records.decision import Decision, Target
    from phage.records.packetrule import Network

MAX_ENTRIES = 100_000
"""Entries of one look, the user's lists included; more are left out and counted."""


@frozen
class Entry:
    """One thing that is protected.

    Attributes:
        value: Address, network, MAC address or domain name.
        why: What it is, for people: "a router of this machine".
        is_own: It is this machine itself: what it offers may be limited, never cut.
        is_everybody: It is an address by which all of a network here are meant.
        is_unproven: It is connected to administer, but may still be guessing the password.
    """

    value: str
    why: str
    is_own: bool = False
    is_everybody: bool = False
    is_unproven: bool = False


class Source(Protocol):
    """Says what is protected, anew at each look."""

    def entries(self) -> Iterable[Entry]:
        """Return what is protected now."""


NOBODY = tuple(
    Entry(value, why)
    for value, why in (
        ("0.0.0.0/8", "no address of a host (RFC 1122)"),
        ("127.0.0.0/8", "loopback"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, or broadcast"),
        ("::/128", "no address of a host (RFC 4291)"),
        ("::1/128", "loopback"),
        ("ff00::/8", "multicast"),
    )
)
"""Whom nobody can be: a decision against them would hit everybody."""


_NOBODY = frozenset(ipaddress.ip_network(entry.value) for entry in NOBODY)


@frozen
class _Networks:
    """Networks of one IP version, each with its entry. They nest; they never just overlap.

    Attributes:
        at: Entries by prefix length and first address.
        lengths: Prefix lengths that there are, the shortest first.
        starts: First addresses, sorted.
        sorted: Prefix length and entry of each of `starts`.
    """

    at: dict[tuple[int, int], Entry]
    lengths: tuple[int, ...]
    starts: list[int]
    sorted: list[tuple[int, Entry]]

    @classmethod
    def of(cls, networks: Iterable[tuple[Network, Entry]]) -> _Networks:
        at = {
            (network.prefixlen, int(network.network_address)): entry for network, entry in networks
        }
        order = sorted((start, length) for length, start in at)
        return cls(
            at,
            tuple(sorted({length for length, _ in at})),
            [start for start, _ in order],
            [(length, at[length, start]) for start, length in order],
        )

    def touching(self, network: Network) -> Iterator[Entry]:
        """Yield the entries that share an address with a network: around it, then within it."""
        first, last = int(network.network_address), int(network.broadcast_address)
        for length in self.lengths:
            if length > network.prefixlen:
                break
            host_bits = network.max_prefixlen - length
            entry = self.at.get((length, first >> host_bits << host_bits))
            if entry is not None:
                yield entry
        begin, end = bisect.bisect_left(self.starts, first), bisect.bisect_right(self.starts, last)
        for index in range(begin, end):
            length, entry = self.sorted[index]
            if length > network.prefixlen:
                yield entry


@frozen
class _Part:
    """Some entries, made for questions.

    Attributes:
        networks: By IP version.
        macs: By MAC address.
        domains: By name.
        others: Networks of others that are protected for sure.
        certain: Texts of all that is protected for sure.
    """

    networks: dict[int, _Networks]
    macs: dict[str, Entry]
    domains: dict[str, Entry]
    others: frozenset[Network]
    certain: frozenset[str]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> _Part:
        networks: dict[Network, Entry] = {}
        macs: dict[str, Entry] = {}
        domains: dict[str, Entry] = {}
        for entry in entries:
            target = parse_target(entry.value)
            network = network_of(target)
            if network is not None:
                known = networks.get(network)
                if known is None or known.is_unproven:
                    networks[network] = replace(entry, value=target.value)
            elif target.kind is TargetKind.MAC:
                macs.setdefault(target.value, entry)
            else:
                domains.setdefault(target.value, entry)
        by_version = {
            version: _Networks.of(
                (network, entry)
                for network, entry in networks.items()
                if network.version == version
            )
            for version in (4, 6)
        }
        certain = {net: entry for net, entry in networks.items() if not entry.is_unproven}
        # What is ours, or nobody's, passes no ban by itself: rules about it have to be asked.
        others = frozenset(net for net, entry in certain.items() if not entry.is_own) - _NOBODY
        values = frozenset({*(entry.value for entry in certain.values()), *macs, *domains})
        return cls(by_version, macs, domains, others, values)


@frozen
class _Snapshot:
    """All entries as of one look: what does not change, and what was seen."""

    fixed: _Part
    seen: _Part
    networks: frozenset[Network]
    certain: frozenset[str]

    @classmethod
    def of(cls, fixed: _Part, seen: _Part) -> _Snapshot:
        return cls(fixed, seen, fixed.others | seen.others, fixed.certain | seen.certain)

    def touching(self, network: Network) -> Iterator[Entry]:
        """Yield the entries that share an address with a network."""
        yield from self.fixed.networks[network.version].touching(network)
        yield from self.seen.networks[network.version].touching(network)

    def mac(self, mac: str) -> Entry | None:
        """Return the entry of a MAC address."""
        return self.fixed.macs.get(mac) or self.seen.macs.get(mac)

    def domain(self, name: str) -> Entry | None:
        """Return the entry that is a domain, above it, or below it."""
        return _domain_entry(self.fixed.domains, name) or _domain_entry(self.seen.domains, name)


@dataclass
class AllowList:
    """Says what may not be decided against. May be asked by any thread while another one looks.

    Attributes:
        listed: Entries of the user.
        sources: What is looked at anew.
        left_out: Entries that did not fit or made no sense, at the last look.
    """

    listed: Sequence[Entry] = ()
    sources: Sequence[Source] = ()
    left_out: int = field(default=0, init=False)
    _snapshot: _Snapshot = field(init=False, repr=False)
    _seen: list[Entry] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._snapshot = _Snapshot.of(_Part.of((*NOBODY, *self.listed)), _Part.of(()))

    def look(self) -> frozenset[str]:
        """Look at every source; return what is newly protected for sure."""
        with self._lock:
            seen = [entry for source in self.sources for entry in source.entries()]
            if seen == self._seen:
                return frozenset()
            self._seen = seen
            fitting = [entry for entry in seen if _makes_sense(entry)]
            fitting = fitting[: max(0, MAX_ENTRIES - len(self.listed))]
            self.left_out = len(seen) - len(fitting)
            before = self._snapshot
            self._snapshot = _Snapshot.of(before.fixed, _Part.of(fitting))
            return self._snapshot.certain - before.certain

    @property
    def networks(self) -> frozenset[Network]:
        """Networks of others that are protected for sure; the kernel asks them before any ban."""
        return self._snapshot.networks

    @property
    def entries(self) -> Sequence[Entry]:
        """What was found at the last look, the user's lists and the fixed ones first."""
        return (*NOBODY, *self.listed, *self._seen)

    def objection(self, decision: Decision, *, guessing: bool = False) -> str:
        """Return why a decision may not be made, for people; '' when it may.

        Args:
            decision: Any; its target need not be canonical.
            guessing: It is about who guesses passwords: being connected proves nothing.
        """
        try:
            target = canonical(decision.target)
        except ValueError as error:
            return str(error)
        limits_service = _limits_service(decision)

        def excused(entry: Entry) -> bool:
            return (entry.is_own and limits_service) or (entry.is_unproven and guessing)

        entry = self._entry(target, excused)
        if entry is None:
            return ""
        if entry.value == target.value:
            return f"{target.value} is on the allow-list: {entry.why}"
        verb = "holds" if _is_wider(target, entry) else "lies in"
        return f"{target.value} {verb} {entry.value}, which is on the allow-list: {entry.why}"

    def protects(self, target: Target) -> bool:
        """Tell whether a canonical target is protected, or holds what is."""
        return self._entry(target, lambda _: False) is not None

    def is_own(self, target: Target) -> bool:
        """Tell whether a canonical target is an address of this machine."""
        if target.kind is not TargetKind.IP or (network := network_of(target)) is None:
            return False
        return any(entry.is_own for entry in self._snapshot.touching(network))

    def _entry(self, target: Target, excused: Callable[[Entry], bool]) -> Entry | None:
        snapshot = self._snapshot
        if target.kind is TargetKind.DOMAIN:
            return snapshot.domain(target.value)
        mac = mac_of(target)
        if mac:
            # The lowest bit of the first octet marks a group (IEEE 802).
            if int(mac[:2], 16) & 1:
                return Entry(mac, "a multicast or broadcast address")
            return snapshot.mac(mac)
        network = network_of(target)
        if network is None:
            return None
        for entry in snapshot.touching(network):
            if not excused(entry):
                return entry
        return None


def entries_of(values: Iterable[str], why: str = "listed in policy.allow") -> list[Entry]:
    """Return entries for what a person listed. Raises ValueError that names the value."""
    return [Entry(parse_target(value).value, why) for value in values]


def _makes_sense(entry: Entry) -> bool:
    try:
        parse_target(entry.value)
    except ValueError:
        return False
    return True


def _limits_service(decision: Decision) -> bool:
    """Tell whether a decision only limits one service of its target.

    What this machine offers may be limited so: that is how a flood from sources that nobody knows
    is met.
    """
    return (
        decision.action is Action.LIMIT
        and decision.direction is Direction.TO
        and not decision.pattern.is_everything
    )


def _is_wider(target: Target, entry: Entry) -> bool:
    if target.kind is TargetKind.DOMAIN:
        return entry.value.endswith(f".{target.value}")
    network, own = network_of(target), ipaddress.ip_network(entry.value)
    return network is not None and network.prefixlen < own.prefixlen


def _domain_entry(domains: dict[str, Entry], name: str) -> Entry | None:
    """Return the entry that is a domain, above it, or below it."""
    above = name
    while above:
        if above in domains:
            return domains[above]
        above = above.partition(".")[2]
    below = (entry for value, entry in domains.items() if value.endswith(f".{name}"))
    return next(below, None)
