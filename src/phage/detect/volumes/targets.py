"""Who is attacked: one host, some hosts, or a prefix, and exactly which."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from phage.detect.volumes.prefixes import Prefixes
from phage.records.watched import GROUP, HOST, group_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.records import Columns
    from phage.records.watched import HostGroup

EXPLAINS = 0.8
"""Part of the excess that the prefix of an attack has to explain."""

FEW_HOSTS = 3
"""So many hosts are named each; an attack on more is one on their prefix."""

MOST_HOSTS = 16
"""So many are named each where they are few of a large prefix."""

_V4 = 0xFFFF


class Target(NamedTuple):
    """A prefix among the addresses of 128 bits; IPv4 is mapped, and its length 96 more."""

    address: bytes
    length: int
    name: str = ""
    networks: tuple[tuple[int, int], ...] = ()

    @property
    def is_host(self) -> bool:
        """Whether it is one address."""
        return self.length == HOST

    @property
    def is_group(self) -> bool:
        """Whether it is a group of networks."""
        return self.length == GROUP

    @property
    def narrowness(self) -> int:
        """How narrow it is: longer prefixes are narrower, groups are wider than any of them."""
        return -1 if self.is_group else self.length

    @property
    def prefixes(self) -> tuple[tuple[int, int], ...]:
        """The prefixes that it consists of: numbers of 128 bits, and lengths."""
        if self.is_group:
            return self.networks
        return ((int.from_bytes(self.address, "big"), self.length),)

    @property
    def text(self) -> str:
        """The prefix as people write it, with its length: "198.51.100.7/32"; "group shop"."""
        if self.is_group:
            return f"group {self.name}"
        number = int.from_bytes(self.address, "big")
        if number >> 32 == _V4 and self.length >= 96:
            return f"{ipaddress.IPv4Address(number & 0xFFFF_FFFF)}/{self.length - 96}"
        return f"{ipaddress.IPv6Address(number)}/{self.length}"

    def holds(self, other: Target) -> bool:
        """Tell whether another target is in this one, or is it."""
        if GROUP in (self.length, other.length):
            return self == other or all(
                any(_holds(mine, theirs) for mine in self.prefixes) for theirs in other.prefixes
            )
        if other.length <= self.length:
            return self.length == other.length and self.address == other.address
        return _holds(self.prefixes[0], other.prefixes[0])


def _holds(mine: tuple[int, int], theirs: tuple[int, int]) -> bool:
    return mine[1] <= theirs[1] and (mine[0] ^ theirs[0]) >> (128 - mine[1]) == 0


def target_of(key: bytes, groups: Mapping[bytes, Target] | None = None) -> Target:
    """Return the target of a key of 17 octets; that of a service is its host."""
    address, length = key[:16], key[16]
    if length == GROUP:
        return (groups or {}).get(address) or Target(address, GROUP, address.hex())
    return Target(address, min(length, HOST))


def network_of(target: Target) -> Target | None:
    """Return the /24 of a target, or /56 of IPv6; None for what is wider."""
    if target.is_group:
        return None
    number = int.from_bytes(target.address, "big")
    length = 96 + 24 if number >> 32 == _V4 else 56
    return shortened(number, length) if target.length > length else None


def targets_of(groups: Sequence[HostGroup]) -> dict[bytes, Target]:
    """Return groups as targets, by the address of their rows."""
    return {
        group_key(group.name): Target(
            group_key(group.name), GROUP, group.name, tuple(map(mapped_network, group.networks))
        )
        for group in groups
    }


@lru_cache(maxsize=4096)
def mapped_network(text: str) -> tuple[int, int]:
    """Return a network as a number of 128 bits and a length; IPv4 among the mapped addresses."""
    network = ipaddress.ip_network(text, strict=False)
    number = int(network.network_address)
    if network.version == 4:
        return (_V4 << 32) | number, network.prefixlen + 96
    return number, network.prefixlen


def shortened(address: int, length: int) -> Target:
    """Return the prefix of a length around an address."""
    shift = 128 - length
    return Target(((address >> shift) << shift).to_bytes(16, "big"), length)


def weights_of(rows: Columns, *, sent: bool) -> dict[int, float]:
    """Return the packets of each address at the target's side of traffic."""
    if not len(rows):
        return {}
    raw = np.ascontiguousarray(rows["src" if sent else "dst"]).view(">u8").reshape(-1, 2)
    order = np.lexsort((raw[:, 1], raw[:, 0]))
    ordered = raw[order]
    begins = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    sums = np.add.reduceat(rows["packets"][order].astype(np.float64), begins)
    return {
        (int(high) << 64) | int(low): float(weight)
        for (high, low), weight in zip(ordered[begins].tolist(), sums.tolist(), strict=True)
    }


def beyond(now: Mapping[int, float], before: Mapping[int, float], scale: float) -> dict[int, float]:
    """Return what exceeds what was before, by address; less than before is negative."""
    return {
        address: now.get(address, 0.0) - before.get(address, 0.0) * scale
        for address in now.keys() | before.keys()
    }


def who(
    rooted: Target, excess: Mapping[Target, float], weights: Callable[[], Mapping[int, float]]
) -> list[Target]:
    """Return who is attacked within a prefix that receives (or sends) too much.

    Args:
        rooted: The prefix.
        excess: Excess of the prefix and of all in it that have too much themselves.
        weights: Returns excess by address, as far as traffic was shown; it tells what lies
            between the prefixes that are counted, and is asked only where that is wanted.
    """
    whole = excess[rooted]
    explaining = [target for target in excess if excess[target] >= EXPLAINS * whole]
    # Of several that explain it the longest, of these the one that explains most.
    best = max(explaining, key=lambda each: (each.narrowness, excess[each], each.address))
    if best.is_host:
        return [best]
    hosts = sorted(
        (target for target in excess if target.is_host), key=lambda each: (-excess[each], each)
    )
    few = _carrying(hosts, excess, EXPLAINS * excess[best])
    if few and (len(few) <= FEW_HOSTS or _are_scattered(len(few), best)):
        return few
    return [_longest(weights(), best) if not best.is_group else _part_of(weights(), best)]


def _carrying(
    hosts: Sequence[Target], excess: Mapping[Target, float], wanted: float
) -> list[Target]:
    """Return the first of the hosts that have so much together; none where all have less."""
    carried, few = 0.0, []
    for host in hosts[:MOST_HOSTS]:
        few.append(host)
        carried += excess[host]
        if carried >= wanted:
            return few
    return []


def _are_scattered(count: int, around: Target) -> bool:
    """Tell whether so few hosts of a prefix that the prefix is not what they share."""
    return sum(1 << min(128 - length, 32) for _, length in around.prefixes) > 64 * count


def _part_of(weights: Mapping[int, float], group: Target) -> Target:
    """Return the prefix that explains an attack on a group; the group where no one does."""
    for number, length in group.networks:
        inside = sum(
            weight
            for address, weight in weights.items()
            if (address ^ number) >> (128 - length) == 0
        )
        if inside > 0 and inside >= EXPLAINS * sum(weights.values()):
            return _longest(weights, Target(number.to_bytes(16, "big"), length))
    return group


def _longest(weights: Mapping[int, float], around: Target) -> Target:
    """Return the longest prefix within another that explains four fifths of its weight."""
    prefix = int.from_bytes(around.address, "big") >> (128 - around.length)
    inside = [
        (address, weight)
        for address, weight in weights.items()
        if address >> (128 - around.length) == prefix
    ]
    wanted = EXPLAINS * sum(weight for _, weight in inside)
    length = around.length
    while length < 128 and wanted > 0:
        shift = 127 - length
        halves: tuple[list[tuple[int, float]], ...] = ([], [])
        for item in inside:
            halves[item[0] >> shift & 1].append(item)
        # What explains so much lies in one half: the other one has too little left.
        sums = [sum(weight for _, weight in half) for half in halves]
        bit = int(sums[1] > sums[0])
        if sums[bit] < wanted:
            break
        prefix, length, inside = prefix << 1 | bit, length + 1, halves[bit]
    return shortened(prefix << (128 - length), length)


def outermost(targets: Iterable[Target]) -> list[Target]:
    """Return the targets that are in no other one, the widest first."""
    found: list[Target] = []
    # By addresses what holds a prefix is before it. Groups last: a prefix may hold one, and one
    # may hold many prefixes.
    for target in sorted(set(targets), key=lambda each: (each.is_group, each.address, each.length)):
        if any(other.holds(target) for other in (found if target.is_group else found[-1:])):
            continue
        if target.is_group:
            found = [other for other in found if not target.holds(other)]
        found.append(target)
    return sorted(found, key=lambda each: (each.length, each.address))


def parts_of(wholes: Sequence[Target], targets: Iterable[Target]) -> dict[Target, list[Target]]:
    """Return which targets each of some others holds."""
    found: dict[Target, list[Target]] = {whole: [] for whole in wholes}
    groups = [whole for whole in wholes if whole.is_group]
    prefixes = prefixes_of(whole for whole in wholes if not whole.is_group)
    for target in targets:
        if target.is_group:
            around = [whole for whole in wholes if whole.holds(target)]
        else:
            around = [*prefixes.around(*target.prefixes[0])]
            around += [group for group in groups if group.holds(target)]
        for whole in around:
            found[whole].append(target)
    return found


def prefixes_of(targets: Iterable[Target]) -> Prefixes[Target]:
    """Return targets by all prefixes that they consist of."""
    found: Prefixes[Target] = Prefixes()
    for target in targets:
        for number, length in target.prefixes:
            found.add(number, length, target)
    return found
