"""Blackholes addresses at routers by BGP (RFC 5635, RFC 7999)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.respond.bgp.announcer import Announcer
from phage.respond.bgp.nlri import Route, blackhole
from phage.respond.bgp.peering import communities_text, next_hop

if TYPE_CHECKING:
    from phage.records.decision import Decision


@dataclass
class Rtbh(Announcer):
    """Announces victims as blackhole routes: routers drop all that is sent to them.

    That takes the victim off the network and saves everybody else's link. With `source_based`, and
    routers that check sources against their routes (loose uRPF), it drops what comes from an
    address too; RFC 5635 describes both.
    """

    name: ClassVar[str] = "rtbh"
    summary: ClassVar[str] = (
        "BGP: routers drop all packets to a victim (remotely triggered blackhole)."
    )
    families: ClassVar[tuple[str, ...]] = ("ipv4 unicast", "ipv6 unicast")

    communities: tuple[str, ...] = ("65535:666",)
    """Communities of each route: "A:B" (RFC 1997) or "A:B:C" (RFC 8092). 65535:666 is BLACKHOLE
    (RFC 7999)."""
    next_hop4: str = "192.0.2.1"
    """Next hop of IPv4 routes: an address that routers discard, or "self" for our own."""
    next_hop6: str = "100::1"
    """The same of IPv6 routes; 100::/64 is for discarding (RFC 6666)."""
    local_preference: int = 0
    """Preference in our own AS (internal BGP only); 0 for the routers' default."""
    source_based: bool = False
    """Also blackhole sources; it takes routers with loose uRPF, and cuts traffic both ways."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ValueError that names the one that is wrong."""
        super().__post_init__()
        plain, large = communities_text(self.communities)
        if not 0 <= self.local_preference <= 0xFFFF_FFFF:
            message = (
                f"local_preference: must be from 0 to 4294967295 (got {self.local_preference})"
            )
            raise ValueError(message)
        preference = f"local-preference {self.local_preference}" if self.local_preference else ""
        self._attributes = {
            version: " ".join(filter(None, (f"next-hop {hop}", plain, large, preference)))
            for version, hop in (
                (4, next_hop(self.next_hop4, 4, "next_hop4")),
                (6, next_hop(self.next_hop6, 6, "next_hop6")),
            )
        }

    def routes(self, decision: Decision) -> tuple[Route, ...]:
        """Return the route of a decision. Raises UnsuitedError with the reason for none."""
        return blackhole(
            decision, self._bounds, self._attributes.__getitem__, source_based=self.source_based
        )
