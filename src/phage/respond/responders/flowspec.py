"""Filters packets at routers by BGP FlowSpec (RFC 8955, RFC 8956)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.records.decision import Action
from phage.respond.bgp.announcer import Announcer
from phage.respond.bgp.nlri import Route, UnsuitedError, discard, flow, limit
from phage.respond.bgp.peering import communities_text

if TYPE_CHECKING:
    from phage.records.decision import Decision

_REDIRECT = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")


@dataclass
class Flowspec(Announcer):
    """Announces filters: routers drop or limit packets by address, protocol, port, flags, length.

    It suits attacks whose sources are spoofed: the pattern is filtered on its way to the victim,
    and the victim's other traffic goes on.
    """

    name: ClassVar[str] = "flowspec"
    summary: ClassVar[str] = "BGP: routers drop or limit packets that fit a pattern (FlowSpec)."
    families: ClassVar[tuple[str, ...]] = ("ipv4 flow", "ipv6 flow")

    most_routes: int = 200
    """Rules in force at once; routers have room for some hundred in hardware."""
    shortest4: int = 24
    """Shortest IPv4 prefix that is announced."""
    shortest6: int = 48
    """Shortest IPv6 prefix that is announced."""
    packet_rates: bool = False
    """The routers know limits in packets (RFC 8955, 7.2); few do."""
    redirect: str = ""
    """Route target "AS:number" of the VRF to which bans send packets, as to a scrubber, in place of
    dropping them; '' to drop."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ValueError that names the one that is wrong."""
        super().__post_init__()
        self._communities = "".join(
            f" {text};" for text in communities_text(self.communities) if text
        )
        if self.redirect and not _is_route_target(self.redirect):
            message = f"redirect: {self.redirect!r} is no route target AS:number"
            raise ValueError(message)

    def routes(self, decision: Decision) -> tuple[Route, ...]:
        """Return the rules of a decision. Raises UnsuitedError with the reason for none."""
        return flow(decision, self._bounds, self._action)

    def _action(self, decision: Decision) -> tuple[str, float]:
        """Return what is done with packets, and how much it lets through."""
        if decision.action is Action.BAN:
            text, passes = (f"redirect {self.redirect};", 0.0) if self.redirect else discard()
        elif decision.action is Action.LIMIT:
            text, passes = limit(decision.rate, packets=self.packet_rates)
        else:
            message = f"routers drop or limit packets; they cannot {decision.action}"
            raise UnsuitedError(message)
        return text + self._communities, passes


def _is_route_target(text: str) -> bool:
    """Tell whether a text is a route target of 2+4 or 4+2 octets (RFC 4360, RFC 5668)."""
    parts = _REDIRECT.fullmatch(text)
    if parts is None:
        return False
    number, value = int(parts[1]), int(parts[2])
    return value <= (0xFFFF_FFFF if number <= 0xFFFF else 0xFFFF) and number <= 0xFFFF_FFFF
