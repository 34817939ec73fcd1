"""Countries and autonomous systems as rules ask for them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from phage.daemon.listfacts import MAX_MEMBERS
from phage.policy.networks import collapse
from phage.policy.rule import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.intel.geography import Geography
    from phage.policy.networks import Address
    from phage.records.packetrule import Network

_log = logging.getLogger(__name__)

MOST_READ = 1_000_000
"""Networks of one country in a database; the largest has some 200,000."""


@dataclass(slots=True)
class PlaceSets:
    """The countries and autonomous systems of databases as sets of policy."""

    geography: Geography
    _members: dict[tuple[Kind, str], tuple[Network, ...]] = field(default_factory=dict)

    def look(self) -> None:
        """Follow files that were replaced."""
        if self.geography.look():
            self._members.clear()

    def knows(self, kind: Kind, name: str) -> bool:  # noqa: ARG002
        """Tell whether there is a database at all: which codes are in it is not asked."""
        return kind in {Kind.COUNTRY, Kind.AS} and bool(self.geography)

    def members(self, kind: Kind, name: str, confidence: int) -> Sequence[Network]:  # noqa: ARG002
        """Return the networks of a country or an autonomous system."""
        if not self.knows(kind, name):
            return ()
        if (kind, name) not in self._members:
            self._members[kind, name] = self._read(kind, name)
        return self._members[kind, name]

    def contains(self, kind: Kind, name: str, confidence: int, address: Address) -> bool:  # noqa: ARG002
        """Tell whether an address is in a country or an autonomous system."""
        if not self.knows(kind, name):
            return False
        place = self.geography.place(str(address))
        return name == (place.country if kind is Kind.COUNTRY else str(place.system))

    def lists_domain(self, name: str, confidence: int, domain: str) -> bool:  # noqa: ARG002
        """Tell that no list is here."""
        return False

    def _read(self, kind: Kind, name: str) -> tuple[Network, ...]:
        wanted = (
            self.geography.networks(country=name)
            if kind is Kind.COUNTRY
            else self.geography.networks(system=int(name))
        )
        found = collapse(islice(wanted, MOST_READ))
        if len(found) > MAX_MEMBERS:
            _log.warning(
                "%s %s has %d networks, and a rule about packets names the first %d",
                kind.value, name, len(found), MAX_MEMBERS, extra={"limit": f"{kind} {name}"},
            )  # fmt: skip
        return found[:MAX_MEMBERS]
