"""Lists of threat intelligence as rules ask for them, and as the kernel drops by them."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.intel.catalog import Catalog
from phage.intel.networks import joined
from phage.policy.facts import ANY_LIST
from phage.policy.rule import Kind
from phage.records.address import parse_address
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.intel.catalog import Source
    from phage.intel.networks import Networks
    from phage.policy.networks import Address
    from phage.records.packetrule import Network

_log = logging.getLogger(__name__)

MAX_MEMBERS = 65_536
"""Networks of one list that a rule about packets can name; longer ones are dropped by as a whole
(`policy.block_lists`), which costs a tenth."""


@dataclass(slots=True)
class ListSets:
    """The lists of a catalog as sets of policy.

    Attributes:
        names: The feeds that are enabled, loaded or not.
        catalog: What they say.
    """

    names: frozenset[str] = frozenset()
    catalog: Catalog = field(default_factory=Catalog)
    _members: dict[tuple[str, int], tuple[Network, ...]] = field(default_factory=dict)

    def knows(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a list."""
        return kind is Kind.LIST and name in self.names

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        """Return the networks of a list, as many as a rule can name."""
        if kind is not Kind.LIST:
            return ()
        key = (name, confidence)
        if key not in self._members:
            self._members[key] = self._made(name, confidence)
        return self._members[key]

    def _made(self, name: str, confidence: int) -> tuple[Network, ...]:
        networks = sure_networks(self.catalog, [name], confidence)
        if len(networks) > MAX_MEMBERS:
            _log.warning(
                "the list %s has %d networks, and a rule about packets names the first %d: drop by "
                "all of it with policy.block_lists",
                name,
                len(networks),
                MAX_MEMBERS,
                extra={"limit": f"list {name}"},
            )
        return tuple(map(ipaddress.ip_network, networks.texts(MAX_MEMBERS)))

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:
        """Tell whether a list names an address or a network around it."""
        return kind is Kind.LIST and any(
            name in (ANY_LIST, each.feed) and each.confidence >= confidence
            for each in self.catalog.address(parse_address(str(address)))
        )

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:
        """Tell whether a list names a domain or one above it."""
        return any(
            name in (ANY_LIST, each.feed) and each.confidence >= confidence
            for each in self.catalog.domain(domain)
        )


def sure_networks(catalog: Catalog, names: Iterable[str], confidence: int) -> Networks:
    """Return the networks that these lists name and are at least so sure of."""
    wanted = set(names)
    return joined(
        _sure(source, catalog.made, confidence)
        for source in catalog.sources
        if source.name in wanted or ANY_LIST in wanted
    )


def _sure(source: Source, now: int, confidence: int) -> Networks:
    """Return the networks of a source that are sure enough: what it says of one goes before."""
    by_sure: dict[bool, list[Networks]] = {True: [], False: []}
    for said, networks in source.told.items():
        by_sure[source.sure(now, said) >= confidence].append(networks)
    if source.sure(now) < confidence:
        return joined(by_sure[True])
    unsure = joined(by_sure[False])
    return source.networks.without(unsure) if len(unsure) else source.networks


def kernel_keys(networks: Networks) -> list[tuple[int, int, bytes]]:
    """Return networks as a bulk list of the kernel's takes them: version, length, addresses."""
    keys = []
    is_v4 = networks.is_v4
    for version, chosen, skip in ((4, is_v4, 12), (6, ~is_v4, 0)):
        mine = networks.select(chosen)
        lengths = mine.lengths - (96 if version == 4 else 0)
        for length in distinct(lengths):
            octets = mine.octets[lengths == length, skip:]
            keys.append((version, int(length), np.ascontiguousarray(octets).tobytes()))
    return keys
