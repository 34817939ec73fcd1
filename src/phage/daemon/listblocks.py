"""The direct way from lists that are sure to the kernel: whole, without a decision for each.

A list is loaded as one set of packets to drop. The allow-list is asked before it, the budget bounds
it, `phage panic` takes it out, and while enforcing is off it is only said what would be dropped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phage.daemon.listfacts import ListSets, kernel_keys, sure_networks
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.config.settings import BlockListsSettings
    from phage.intel.catalog import Catalog
    from phage.policy.networks import Address
    from phage.policy.rule import Kind
    from phage.records.packetrule import Network

    Keys = Sequence[tuple[int, int, bytes]]

_log = logging.getLogger(__name__)

NAME = "intel"
"""The kernel's list."""


class ListSwitch(Protocol):
    """Bulk lists of the enforcer. Every method may raise PhageError."""

    def lists(self) -> Mapping[str, int]:
        """Return the elements of each bulk list that stands."""

    def load_list(self, name: str, keys: Keys, *, destination: bool) -> int:
        """Load or replace a bulk list; return its elements."""

    def drop_list(self, name: str) -> None:
        """Take a bulk list out."""


@dataclass
class BlockLists:
    """Lists of threat intelligence as rules ask for them, and as the kernel drops by them.

    Attributes:
        settings: By which lists packets are dropped.
        most: Networks at most; with more nothing is changed.
        names: The feeds that are enabled.
        networks: How many networks are to be dropped by.
        elements: How many elements stand in the kernel; 0 while enforcing is off.
        fault: Why the kernel does not have them; '' when all is well.
    """

    settings: BlockListsSettings
    most: int
    names: frozenset[str]
    networks: int = 0
    elements: int = 0
    fault: str = ""
    _sets: ListSets = field(init=False)
    _wanted: Keys | None = field(default=None, init=False, repr=False)
    _loaded: Keys | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._sets = ListSets(self.names)

    def publish(self, catalog: Catalog) -> None:
        """Take what all feeds say now; any thread may tell."""
        # Feeds come and go while phage runs.
        names = self.names | {source.name for source in catalog.sources}
        self._sets = ListSets(names, catalog)
        if not self.settings.feeds:
            return
        chosen = sure_networks(catalog, self.settings.feeds, self.settings.confidence)
        self.networks = len(chosen)
        if len(chosen) > self.most:
            self._failed(
                f"{len(chosen):,} networks of block_lists, and policy.budget.listed is "
                f"{self.most:,}: those before stay"
            )
            return
        self._wanted = kernel_keys(chosen)

    def look(self, switch: ListSwitch | None) -> None:
        """Bring the kernel's list to what it should be; cheap when it is."""
        wanted = self._wanted
        if switch is None or wanted is None:
            return
        try:
            standing = switch.lists()
            if not wanted and NAME in standing:
                switch.drop_list(NAME)
            elif wanted and (wanted is not self._loaded or NAME not in standing):
                self.elements = switch.load_list(NAME, wanted, destination=self.settings.both)
                _log.info("packets of %d networks of lists are dropped", self.networks)
            self._loaded, self.fault = wanted, ""
        except PhageError as error:
            self._failed(str(error))

    def _failed(self, fault: str) -> None:
        self.fault = fault
        _log.error("block_lists: %s", fault, extra={"limit": "block_lists"})

    # As sets that rules name: what is published later is asked from then on.

    def knows(self, kind: Kind, name: str) -> bool:
        """Tell whether there is such a list."""
        return self._sets.knows(kind, name)

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:
        """Return the networks of a list, as many as a rule can name."""
        return self._sets.members(kind, name, confidence)

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:
        """Tell whether a list names an address or a network around it."""
        return self._sets.contains(kind, name, confidence, address)

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:
        """Tell whether a list names a domain or one above it."""
        return self._sets.lists_domain(name, confidence, domain)
