"""Domains as rules ask for them: the addresses that devices were told for their names."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from phage.policy.facts import is_below
from phage.policy.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.clock import Clock
    from phage.devices.profiler import Profiler
    from phage.policy.networks import Address
    from phage.records.packetrule import Network

LOOK_SECONDS = 5.0
"""How often names are gathered anew: facts of rules are made every ten seconds."""

MAX_MEMBERS = 4096
"""Addresses of one domain; a content network has thousands, and a home meets some hundred."""


@dataclass(slots=True)
class DomainSets:
    """Names that the devices' own look-ups and hellos gave to addresses, as sets of policy."""

    profiler: Profiler
    clock: Clock
    _by_domain: dict[str, dict[str, None]] = field(default_factory=dict)
    _look_at: float = float("-inf")

    def knows(self, kind: Kind, name: str) -> bool:  # noqa: ARG002
        """Tell whether there is such a set: any domain is."""
        return kind is Kind.DOMAIN

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:  # noqa: ARG002
        """Return the addresses that were told for a domain, or for a name below it."""
        if kind is not Kind.DOMAIN:
            return ()
        return tuple(ipaddress.ip_network(address) for address in self._addresses(name))

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:  # noqa: ARG002
        """Tell whether an address was told for a domain."""
        if kind is not Kind.DOMAIN:
            return False
        return str(address) in self._addresses(name)

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:  # noqa: ARG002
        """Tell that no list is here."""
        return False

    def _addresses(self, name: str) -> Mapping[str, None]:
        self._look()
        domain = name.casefold().rstrip(".")
        found = self._by_domain.get(domain)
        if found is None and "#" in domain:  # One of a pool of machines.
            alike = [each for each in self._by_domain if is_below(each, domain)]
            told = {address: None for each in alike for address in self._by_domain[each]}
            found = self._by_domain[domain] = dict(islice(told.items(), MAX_MEMBERS))
        return found or {}

    def _look(self) -> None:
        now = self.clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for address, name in self.profiler.books.names():
            labels = name.casefold().rstrip(".").split(".")
            for start in range(len(labels) - 1):
                members = found[".".join(labels[start:])]
                if len(members) < MAX_MEMBERS:
                    members[address] = None
        self._by_domain = dict(found)
