"""Counts what comes from and goes to those who are blocked, while they are.

The kernel's sets carry no counters: they would make every packet of a flood dearer. But packets are
seen before they are dropped, so that the rows of hosts tell it too.

When it fails: where phage watches another interface than the one that blocks, nothing is counted.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from phage.policy.target import mac_of, network_of
from phage.records.address import parse_address, parse_mac
from phage.records.decision import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phage.records.decision import Decision
    from phage.records.window import Columns

MAX_WATCHED = 10_000
"""Decisions whose packets are counted: the newest."""

MAX_LENGTHS = 32
"""Lengths of prefixes: each takes one pass over the hosts of a window."""

K = TypeVar("K", int, bytes)

_SIDES: Mapping[Direction, tuple[int, ...]] = {
    Direction.FROM: (0,),
    Direction.TO: (1,),
    Direction.BOTH: (0, 1),
}


class BanMeter:
    """Packets and octets of decisions, since they were first watched."""

    def __init__(self) -> None:
        self.unwatched = 0
        self._decisions: dict[str, Decision] = {}
        self._counts: dict[str, list[int]] = {}
        self._macs: dict[int, list[str]] = {}
        self._prefixes: dict[int, dict[bytes, list[str]]] = {}

    def watch(self, decisions: Iterable[Decision]) -> None:
        """Count for these from now on, and forget all others."""
        newest = sorted(decisions, key=lambda each: each.id, reverse=True)
        watched = {each.id: each for each in newest[:MAX_WATCHED]}
        self.unwatched = len(newest) - len(watched)
        if watched.keys() != self._decisions.keys():
            self._index(watched)
        self._decisions = watched

    def _index(self, watched: Mapping[str, Decision]) -> None:
        self._counts = {name: self._counts.get(name, [0, 0]) for name in watched}
        self._macs, self._prefixes = {}, {}
        for name, decision in watched.items():
            if mac := mac_of(decision.target):
                self._macs.setdefault(parse_mac(mac), []).append(name)
            elif (network := network_of(decision.target)) is not None:
                bits = network.prefixlen + (96 if network.version == 4 else 0)
                if bits in self._prefixes or len(self._prefixes) < MAX_LENGTHS:
                    key = parse_address(str(network.network_address))
                    self._prefixes.setdefault(bits, {}).setdefault(key, []).append(name)

    def take(self, hosts: Columns) -> None:
        """Add the rows of hosts of a window."""
        if self._macs:
            macs = hosts["mac"].tolist()
            if not self._macs.keys().isdisjoint(macs):
                self._add(hosts, macs, self._macs)
        if not self._prefixes:
            return
        raw = np.ascontiguousarray(hosts["address"]).view(np.uint8).reshape(len(hosts), 16)
        for bits, known in self._prefixes.items():
            keys = (raw & _mask(bits)).view("V16").ravel().tolist()
            if not known.keys().isdisjoint(keys):
                self._add(hosts, keys, known)

    def _add(self, hosts: Columns, keys: Sequence[K], known: Mapping[K, Sequence[str]]) -> None:
        for index, key in enumerate(keys):
            for name in known.get(key, ()):
                count = self._counts[name]
                for side in _SIDES[self._decisions[name].direction]:
                    count[0] += int(hosts["packets"][index][side])
                    count[1] += int(hosts["octets"][index][side])

    def counted(self) -> list[tuple[Decision, int, int]]:
        """Return the decisions with their packets and octets."""
        return [
            (each, packets, octets)
            for name, each in self._decisions.items()
            for packets, octets in (self._counts[name],)
        ]


def _mask(bits: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    network = ipaddress.ip_network(f"::/{bits}")
    return np.frombuffer(network.netmask.packed, np.uint8)
