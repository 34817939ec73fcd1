"""Servers of the link that nobody knows: DHCP servers and routers that advertise themselves.

The first that is heard of is taken for the right one, and so is what the owner names in `servers`.
A further one is rogue while the first is still alive; after the first has been silent it is a
replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.claims import is_virtual
from phage.detect.tables import Distinct, Recent
from phage.frozen import frozen
from phage.records import Observation, Peer

if TYPE_CHECKING:
    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND

# A server whose frames were not seen for so long may have been replaced.
_SILENCE = 10 * _MINUTE
# Clients that ask for leases within ten seconds: even after a power cut devices do not all come at
# once.
_STARVING = 50
# Routers that advertise themselves within ten seconds: a flood of made-up ones.
_RA_FLOOD = 10
_MOST_SERVERS = 64
MADE_UP = "many made-up addresses"
"""Who sends frames under addresses that he makes up."""

_SERVER_WORDS = frozenset({"offer", "ack", "nak", "advertise", "reply"})


@frozen
class Impostor:
    """One server that is not known here."""

    kind: str
    mac: str
    ip: str
    time: int
    others: tuple[Peer, ...]
    details: dict[str, str]
    is_grave: bool = False


@dataclass(slots=True)
class _Server:
    mac: str
    ip: str
    first: int
    last: int
    offers: tuple[str, ...] = ()
    trusted: bool = False


@dataclass(slots=True)
class LinkServers:
    """The servers of the link by role."""

    _known: Recent[tuple[str, int, str], _Server] = field(
        default_factory=lambda: Recent(_MOST_SERVERS), init=False
    )
    _alive: Recent[str, int] = field(default_factory=lambda: Recent(_MOST_SERVERS), init=False)
    """When a server's MAC was heard last."""
    _clients: Distinct[str] = field(default_factory=lambda: Distinct(1024), init=False)
    _advertisers: Distinct[str] = field(default_factory=lambda: Distinct(256), init=False)

    @property
    def dropped(self) -> int:
        """How many entries were dropped to stay under the caps."""
        return self._known.dropped + self._alive.dropped

    def alive(self, mac: str, time: int) -> None:
        """Note that a MAC was heard, if it is a server's."""
        if mac in self._alive:
            self._alive.put(mac, time)

    def observe(self, seen: Observation, knowledge: Knowledge) -> list[Impostor]:
        """Take in a DHCP or router message; return the impostors that it shows."""
        if seen.kind == "ra":
            return self._advertisement(seen, knowledge)
        message = seen.fields.get("message_type")
        if seen.kind == "dhcp" and message == "discover":
            return self._discover(seen)
        if message not in _SERVER_WORDS:
            return []
        return self._answer(seen, knowledge)

    def _discover(self, seen: Observation) -> list[Impostor]:
        client = seen.fields.get("client_mac")
        if not isinstance(client, str):
            return []
        self._clients.expire(seen.time - 10 * _SECOND)
        self._clients.refresh(client, seen.time)
        count = len(self._clients)
        if count < _STARVING:
            return []
        why = f"{count} different clients asked for a lease within 10 s, normal is 0 to 5"
        mac = _host(seen) if seen.src_mac != client else MADE_UP
        return [Impostor("DHCP starver", mac, "", seen.time, (), {"why": why})]

    def _answer(self, seen: Observation, knowledge: Knowledge) -> list[Impostor]:
        fields = seen.fields
        role = seen.kind
        identity = fields.get("server_id") if role == "dhcp" else fields.get("server_duid")
        name = identity if isinstance(identity, str) else seen.src
        offers = _offers(seen)
        return self._judge(seen, knowledge, role, f"{name}|{seen.src_mac}", offers)

    def _advertisement(self, seen: Observation, knowledge: Knowledge) -> list[Impostor]:
        lifetime = seen.fields.get("router_lifetime")
        # A border router of a mesh announces routes with a lifetime of 0: it is no default router.
        if not isinstance(lifetime, int) or lifetime <= 0:
            return []
        self._advertisers.expire(seen.time - 10 * _SECOND)
        self._advertisers.refresh(_host(seen), seen.time)
        if len(self._advertisers) >= _RA_FLOOD:
            count = len(self._advertisers)
            why = f"{count} routers advertised themselves within 10 s, normal is 1 or 2"
            kind, mac = "flood of rogue routers", MADE_UP
            return [Impostor(kind, mac, "", seen.time, (), {"why": why}, is_grave=True)]
        return self._judge(seen, knowledge, "router", _host(seen), _offers(seen))

    def _judge(
        self,
        seen: Observation,
        knowledge: Knowledge,
        role: str,
        name: str,
        offers: tuple[str, ...],
    ) -> list[Impostor]:
        self._alive.put(_host(seen), seen.time)
        key = (role, seen.vlan, name)
        server = self._known.use(key)
        if server is None:
            server = _Server(_host(seen), seen.src, seen.time, seen.time, offers)
            server.trusted = self._is_trusted(server, seen, knowledge, role)
            self._known.put(key, server)
        server.last = seen.time
        if offers:
            server.offers = offers
        if server.trusted:
            return []
        others = self._rivals(role, seen, server)
        if not others and not self._is_unexpected(role, server, knowledge):
            server.trusted = True
            return []
        return [self._impostor(role, server, others, seen.time)]

    def _is_trusted(
        self, server: _Server, seen: Observation, knowledge: Knowledge, role: str
    ) -> bool:
        if is_virtual(server.mac) or server.mac in knowledge.routers:
            return True
        named = knowledge.servers.get(role, frozenset())
        if server.ip in named or server.mac in named:
            return True
        identity = seen.fields.get("server_id")
        if isinstance(identity, str) and identity in named:
            return True
        # A relay passes on what the server says: the server's name is known, the frame's MAC is
        # new.
        known = [
            other
            for (other_role, vlan, name), other in self._known.items()
            if (other_role, vlan) == (role, seen.vlan)
            and other.trusted
            and name.split("|")[0] == identity
        ]
        return bool(known) and isinstance(seen.fields.get("relay_ip"), str)

    def _rivals(self, role: str, seen: Observation, server: _Server) -> list[_Server]:
        """Return the earlier servers of the role that are still there."""
        rivals = []
        for (other_role, vlan, _), other in self._known.items():
            if (other_role, vlan) != (role, seen.vlan) or other.mac == server.mac:
                continue
            heard = max(other.last, self._alive.get(other.mac) or 0)
            if other.trusted and seen.time - heard <= _SILENCE:
                rivals.append(other)
        return rivals

    def _is_unexpected(self, role: str, server: _Server, knowledge: Knowledge) -> bool:
        """Tell whether a first server comes late: a network does not get one unasked."""
        if role == "dhcp" or knowledge.learning:
            return False
        return bool(knowledge.routers) and server.mac not in knowledge.routers

    def _impostor(self, role: str, server: _Server, others: list[_Server], time: int) -> Impostor:
        names = {
            "dhcp": "rogue DHCP server",
            "dhcpv6": "rogue DHCPv6 server",
            "router": "rogue router",
        }
        usual = others[0] if others else None
        same = usual is not None and usual.offers == server.offers and bool(server.offers)
        offered = " and ".join(server.offers[:3]) or "nothing else"
        why = f"it offers {offered}"
        if usual is not None:
            normal = " and ".join(usual.offers[:3]) or "nothing else"
            why += f"; normal is {usual.mac}, which offers {normal}"
        peers = tuple(Peer(other.ip, other.mac, (role,)) for other in others)
        details = {"why": why}
        return Impostor(names[role], server.mac, server.ip, time, peers, details, is_grave=not same)


def _host(seen: Observation) -> str:
    """Return whom a frame came from; not every link has hardware addresses."""
    return seen.src_mac or seen.src or "an unknown host"


def _offers(seen: Observation) -> tuple[str, ...]:
    """Return what a server tells its clients to use, in words."""
    fields = seen.fields
    words = []
    for name, label in (
        ("router", "router"),
        ("dns_servers", "DNS"),
        ("prefixes", "prefix"),
        ("rdnss", "DNS"),
    ):
        value = fields.get(name)
        if isinstance(value, str) and value:
            words.append(f"{label} {value[:40]}")
        elif isinstance(value, tuple) and value:
            words.append(f"{label} {value[0][:40]}")
    return tuple(words)
