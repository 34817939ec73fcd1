"""What BGP responders do alike: decisions become routes, routes commands, answers receipts."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.errors import ConfigError
from phage.records.decision import Receipt, ReceiptState
from phage.respond.bgp import speaker as speakers
from phage.respond.bgp.book import Book
from phage.respond.bgp.exabgp import missing
from phage.respond.bgp.nlri import Bounds, Network, Route, UnsuitedError
from phage.respond.bgp.peering import Peering, communities_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.records.decision import Decision
    from phage.respond.bgp.speaker import Speaker

LEAST_SHORTEST4, LEAST_SHORTEST6 = 8, 19
"""The largest allocations there are; a shorter prefix is a mistake, whatever is set."""

OVERDUE_NS = 1_000_000_000
"""The ledger revokes what expired within a second; what is left then was lost."""

_Refusals = dict[str, tuple[ReceiptState, str]]


@dataclass
class Announcer(ABC):
    """Announces routes of decisions to BGP neighbours.

    Responders with the same settings of the session share it.
    """

    name: ClassVar[str]
    families: ClassVar[tuple[str, ...]]
    """Address families of the routes."""

    neighbours: tuple[str, ...] = ()
    """Addresses of the routers; nothing is announced while there are none."""
    local_as: int = 0
    """Our AS number."""
    peer_as: int = 0
    """The routers' AS number; the same as ours for internal BGP."""
    local_address: str = ""
    """Our address towards the routers; '' for the one that reaches them."""
    router_id: str = ""
    """Our BGP identifier, written as an IPv4 address; '' for our address, if that is IPv4."""
    port: int = 179
    """TCP port of the routers."""
    hold_s: int = 90
    """Seconds without a sign of life after which the session is lost (RFC 4271, 10)."""
    ttl: int = 0
    """Time to live of what is sent: 255 where routers check it (RFC 5082), more than 1 for routers
    further away; 0 for the system's."""
    password_file: str = ""
    """File with the session's password (TCP MD5, RFC 2385); '' for none."""
    keep_s: int = 0
    """Seconds for which routers keep our routes when phage stops (graceful restart, RFC 4724); 0
    withdraws all at once."""
    account: str = "nobody"
    """Account that ExaBGP runs as when phage is root."""
    answer_s: float = 2.0
    """Seconds that ExaBGP may take for an answer before it is started anew."""
    communities: tuple[str, ...] = ()
    """Communities of each route: "A:B" (RFC 1997) or "A:B:C" (RFC 8092)."""
    networks: tuple[str, ...] = ()
    """Our own prefixes: only in these a victim is announced; none for anywhere."""
    most_routes: int = 1000
    """Routes in force at once; routers have room for few, and limit how many they take."""
    shortest4: int = 32
    """Shortest IPv4 prefix that is announced."""
    shortest6: int = 128
    """Shortest IPv6 prefix that is announced."""

    _peering: Peering = field(init=False, repr=False)
    _bounds: Bounds = field(init=False, repr=False)
    _book: Book = field(init=False, repr=False)
    _speaker: Speaker | None = field(default=None, init=False, repr=False)
    _told: dict[str, Route] = field(default_factory=dict, init=False, repr=False)
    _trouble: str = field(default="", init=False, repr=False)
    _told_in: int = field(default=0, init=False, repr=False)
    _seen: tuple[int, int] = field(default=(-1, -1), init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings. Raises ValueError that names the one that is wrong."""
        self._peering = Peering(
            neighbours=self.neighbours,
            local_as=self.local_as,
            peer_as=self.peer_as,
            local_address=self.local_address,
            router_id=self.router_id,
            port=self.port,
            hold_s=self.hold_s,
            ttl=self.ttl,
            keep_s=self.keep_s,
            password_file=self.password_file,
            account=self.account,
            answer_s=self.answer_s,
        )
        self._peering.check()
        communities_text(self.communities)
        for name, value, least, most in (
            ("shortest4", self.shortest4, LEAST_SHORTEST4, 32),
            ("shortest6", self.shortest6, LEAST_SHORTEST6, 128),
            ("most_routes", self.most_routes, 1, 100_000),
        ):
            if not least <= value <= most:
                message = f"{name}: must be from {least} to {most} (got {value})"
                raise ValueError(message)
        ends = (*self.neighbours, *([self.local_address] if self.local_address else ()))
        self._bounds = Bounds(
            self.shortest4,
            self.shortest6,
            tuple(_network(text) for text in self.networks),
            tuple(ipaddress.ip_network(end) for end in ends),
        )
        self._book = Book(self.most_routes)

    @staticmethod
    def available() -> str:
        """Return why no BGP can be spoken here, or ''."""
        return missing()

    @property
    def dropped(self) -> int:
        """How many decisions were refused because there were too many routes."""
        return self._book.dropped

    @abstractmethod
    def routes(self, decision: Decision) -> tuple[Route, ...]:
        """Return the routes of a decision. Raises UnsuitedError with the reason for none."""

    def suits(self, decision: Decision) -> str:
        """Return '' when it can carry out such a decision, else why not, for people."""
        if not self.neighbours:
            return "no BGP neighbour is set"
        try:
            self.routes(decision)
        except UnsuitedError as error:
            return str(error)
        return ""

    def apply(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Announce the routes of decisions."""
        self._attach()
        changed, refused = self._note(decisions)
        faults = self._tell(self._commands(changed))
        return self._applied(decisions, now, refused, faults)

    def replace(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Announce exactly the routes of these decisions; starts ExaBGP where it does not run."""
        speaker = self._attach()
        state = _state(speaker)
        self._book.keep_only(decision.id for decision in decisions)
        _, refused = self._note(decisions)
        everything = self._book.all() | set(self._told)
        faults = self._tell(self._commands(everything, again=state != self._seen))
        if speaker is not None and self.keep_s:
            # Neighbours drop what they kept from before when all has come (RFC 4724, 4.1).
            speaker.send([f"announce eor {family}" for family in self.families])
        self._seen = state
        return self._applied(decisions, now, refused, faults)

    def revoke(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Withdraw the routes of decisions, but what another decision wants."""
        self._attach()
        gone = {decision.id: self._book.drop(decision.id) for decision in decisions}
        faults = self._tell(
            self._commands(route.nlri for routes in gone.values() for route in routes)
        )
        receipts = []
        for decision in decisions:
            fault = _fault(gone[decision.id], faults)
            state = ReceiptState.FAILED if fault else ReceiptState.WITHDRAWN
            receipts.append(Receipt(decision.id, self.name, state, now, fault))
        return receipts

    def is_disturbed(self) -> bool:
        """Tell whether a session came or went, ExaBGP ended, or a route outlived its decision."""
        speaker = self._speaker
        if speaker is None:
            return False
        speaker.attend()
        may_start = not speaker.is_ready and speaker.wants_start
        overdue = self._book.is_overdue(speaker.clock.now() - OVERDUE_NS)
        return may_start or overdue or self._seen != _state(speaker)

    def close(self) -> None:
        """End the session; its routes go with it, or after `keep_s` seconds."""
        if self._speaker is not None:
            self._speaker = None
            speakers.release(self._peering, self)
        self._told = {}

    def _attach(self) -> Speaker | None:
        """Return the speaker, started where it does not run; None where there can be none."""
        if self._speaker is None and self.neighbours:
            try:
                self._speaker = speakers.lease(self._peering, self)
            except ConfigError as error:
                self._trouble = str(error)
        speaker = self._speaker
        if speaker is not None:
            speaker.ensure()
            if self._told_in != speaker.generation or not speaker.is_ready:
                self._told, self._told_in = {}, speaker.generation
        return speaker

    def _note(self, decisions: Iterable[Decision]) -> tuple[set[str], _Refusals]:
        """Put decisions into the book; return the NLRI that may change, and who was refused."""
        changed: set[str] = set()
        refused: _Refusals = {}
        for decision in decisions:
            changed |= {route.nlri for route in self._book.drop(decision.id)}
            if reason := self.suits(decision):
                refused[decision.id] = (ReceiptState.UNSUITED, reason)
                continue
            routes = self.routes(decision)
            if not all(route.nlri in self._told for route in routes) and (
                reason := self._reach(routes[0].family)
            ):
                # What was announced in a session that was lost stays, and comes back with it. All
                # else waits for a session here: in ExaBGP it might outlive its decision.
                refused[decision.id] = (ReceiptState.FAILED, reason)
            elif self._book.put(decision.id, routes, decision.until):
                changed |= {route.nlri for route in routes}
            else:
                reason = f"{self.most_routes} routes are in force already (most_routes)"
                refused[decision.id] = (ReceiptState.FAILED, reason)
        return changed, refused

    def _reach(self, family: str) -> str:
        """Return '' when a neighbour takes routes of a family now, else why none does."""
        return self._speaker.reach(family) if self._speaker is not None else self._trouble

    def _commands(
        self, nlris: Iterable[str], *, again: bool = False
    ) -> dict[str, tuple[Route | None, str]]:
        """Return what to tell ExaBGP, by NLRI: the route that is to be in force, and the command.

        `again` repeats what it was told already.
        """
        commands: dict[str, tuple[Route | None, str]] = {}
        for nlri in sorted(set(nlris)):
            wanted, told = self._book.wanted(nlri), self._told.get(nlri)
            if wanted is not None and (again or wanted != told):
                commands[nlri] = wanted, wanted.announcement
            elif wanted is None and told is not None:
                commands[nlri] = None, told.withdrawal
        return commands

    def _tell(self, commands: dict[str, tuple[Route | None, str]]) -> dict[str, str]:
        """Tell ExaBGP; return why what was not done, by NLRI."""
        speaker = self._speaker
        if speaker is None or not commands:
            return {}
        results = speaker.send([command for _, command in commands.values()])
        faults = {}
        for (nlri, (route, _)), fault in zip(commands.items(), results, strict=True):
            if fault:
                faults[nlri] = fault
            elif route is None:
                self._told.pop(nlri, None)
            else:
                self._told[nlri] = route
        return faults

    def _applied(
        self,
        decisions: Sequence[Decision],
        now: int,
        refused: _Refusals,
        faults: dict[str, str],
    ) -> list[Receipt]:
        """Return receipts; a decision that was not carried out whole is not left half."""
        receipts, broken = [], set()
        for decision in decisions:
            state, detail = refused.get(decision.id) or self._outcome(decision, faults)
            if _fault(self._book.routes(decision.id), faults):
                broken |= {route.nlri for route in self._book.drop(decision.id)}
            receipts.append(Receipt(decision.id, self.name, state, now, detail))
        self._tell(self._commands(broken))
        return receipts

    def _outcome(self, decision: Decision, faults: dict[str, str]) -> tuple[ReceiptState, str]:
        routes = self._book.routes(decision.id)
        if reason := _fault(routes, faults) or self._reach(routes[0].family):
            return ReceiptState.FAILED, reason
        shown = " and ".join(route.nlri.rstrip(";") for route in routes)
        neighbours = self._speaker.reached(routes[0].family) if self._speaker is not None else []
        return ReceiptState.APPLIED, f"{shown} at {', '.join(neighbours)}"


def _state(speaker: Speaker | None) -> tuple[int, int]:
    """Return what changes when routes may have to be announced again."""
    if speaker is None:
        return (-1, -1)
    return (speaker.generation if speaker.is_ready else -1, speaker.changes)


def _fault(routes: Iterable[Route], faults: dict[str, str]) -> str:
    return next((faults[route.nlri] for route in routes if route.nlri in faults), "")


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        message = f"networks: {error}"
        raise ValueError(message) from error
