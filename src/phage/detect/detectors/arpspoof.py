"""Finds impostors on the link: ARP and ND spoofing, false servers, routers, names and addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from phage.detect import explain
from phage.detect.answers import Answers
from phage.detect.claims import Binding, Claim, Claims, Owner, is_virtual
from phage.detect.impostors import MADE_UP, Impostor, LinkServers
from phage.detect.newcomers import Newcomers
from phage.detect.rows import rows_of
from phage.detect.tables import Distinct, Recent, Unlisted
from phage.detect.takeovers import Takeovers
from phage.records import Feature, Finding, Observation, Peer, Severity, Subject, Window
from phage.records.address import format_address, format_mac
from phage.records.columns import Event, HostMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge
    from phage.records import Columns

_SECOND = 1_000_000_000
_SHOWN = 16
_NAMES = frozenset({"llmnr", "nbns", "dns"})
_KINDS = frozenset({"arp", "nd", "dhcp", "dhcpv6", "ra"}) | _NAMES


@dataclass(slots=True)
class _Spoof:
    """One MAC's false claims."""

    mac: str
    ip: str
    first: int
    last: int
    kinds: dict[str, None] = field(default_factory=dict)
    victims: dict[str, Peer] = field(default_factory=dict)
    more: Unlisted = field(default_factory=Unlisted)
    claims: int = 0
    gateway: bool = False
    details: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many victims there were."""
        return len(self.victims) + self.more.total


@dataclass(slots=True)
class Arpspoof:
    """Finds addresses claimed by two that are both alive, unasked answers, and false servers.

    Also MAC addresses that are made up by the hundred, see `phage.detect.newcomers`, answers to the
    names of others, see `phage.detect.answers`, and who takes the router's part, see
    `phage.detect.takeovers`.

    A claim is false when the address has another owner that was heard of lately, and the claimant
    answers unasked again and again, or the other goes on claiming. See `phage.detect.claims` for
    what is rightful: moves after silence, virtual routers, a router that answers for others.

    Fails when the impostor is the first that was ever heard to claim an address and its owner stays
    silent, and where neither its frames nor the owner's reach the observer.
    """

    name: ClassVar[str] = "arpspoof"
    summary: ClassVar[str] = (
        "Impostors on the link: ARP and ND spoofing, rogue servers and routers, forged names."
    )

    unasked: int = 3
    """Unasked answers to single hosts within `unasked_s` that are no accident: stacks send none at
    all, a question may have been missed once or twice."""
    unasked_s: float = 30.0
    """Poisoners repeat themselves every 1 to 10 s, since tables forget after 15 to 60 s."""
    announcements: int = 12
    """Announcements of another's address within `unasked_s`: a cluster that fails over sends up to
    ten."""
    turns: int = 4
    """Changes of the claimant within `turns_s`: there and back and there and back."""
    turns_s: float = 60.0
    """Time of these changes: a device that roams between access points changes once."""
    silence_s: float = 300.0
    """An owner that was not heard of for so long may have lost its address to another."""
    storm: int = 60
    """Announcements of its own addresses within `unasked_s`: a hundred times what starting up
    takes."""
    quiet_s: float = 300.0
    """Spoofing that rested for so long is over."""
    most_addresses: int = 8192
    """Addresses with owners, about 1 kB each at the worst."""

    _claims: Claims = field(init=False, repr=False)
    _servers: LinkServers = field(init=False, repr=False)
    _answers: Answers = field(init=False, repr=False)
    _takeovers: Takeovers = field(init=False, repr=False)
    _spoofs: Recent[str, _Spoof] = field(init=False, repr=False)
    _announced: Recent[str, Distinct[int]] = field(init=False, repr=False)
    _routers: dict[str, None] = field(init=False, repr=False)
    _newcomers: Newcomers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        silence = round(self.silence_s * _SECOND)
        self._claims = Claims(most_addresses=self.most_addresses, silence=silence)
        self._servers = LinkServers()
        self._answers = Answers()
        self._takeovers = Takeovers()
        self._spoofs = Recent(256)
        self._announced = Recent(512)
        self._routers = {}
        self._newcomers = Newcomers()

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        tables = (
            self._claims, self._servers, self._answers, self._takeovers, self._spoofs,
            self._announced,
        )  # fmt: skip
        return sum(table.dropped for table in tables)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        changed: dict[str, _Spoof] = {}
        messages = [seen for seen in window.observations if seen.kind in _KINDS]
        if len(messages) > 1:
            messages.sort(key=_order)
        self._note_hosts(rows_of(window).host_columns)
        self._note_newcomers(window, changed)
        routers = self._routers.keys() | knowledge.routers
        for impostor in self._takeovers.observe(rows_of(window), routers, known=bool(routers)):
            self._note_impostor(impostor, changed)
        for seen in messages:
            if seen.kind in {"arp", "nd"}:
                self._look_at_claim(seen, knowledge, changed)
            elif seen.kind in _NAMES:
                forger = self._answers.observe(seen, routers)
                if forger is not None:
                    self._note_impostor(forger, changed)
            else:
                for impostor in self._servers.observe(seen, knowledge):
                    self._note_impostor(impostor, changed)
        for spoof in changed.values():
            yield self._finding(spoof, knowledge)

    def _note_hosts(self, hosts: Columns) -> None:
        """Note who sent something, in the order in which hosts were heard."""
        rows = np.flatnonzero((hosts["mac"] != 0) & (hosts["packets"][:, 0] > 0))
        rows = rows[np.lexsort([hosts[name][rows] for name in ("mac", "last", "first")])]
        names = ("mac", "address", "vlan", "last", "marks")
        columns = (hosts[name][rows].tolist() for name in names)
        for number, address, vlan, last, marks in zip(*columns, strict=True):
            mac = format_mac(number)
            if marks & HostMark.ROUTER and len(self._routers) < 64:
                self._routers[mac] = None
            self._claims.alive((vlan, format_address(address)), mac, last)
            self._servers.alive(mac, last)

    def _note_newcomers(self, window: Window, changed: dict[str, _Spoof]) -> None:
        """Look whether MAC addresses are made up, as those are that ask a server for all leases."""
        flows = window.flows
        macs = flows["src_mac"][(flows["event"] & Event.STARTED) != 0]
        too_many = self._newcomers.take(macs, window.end)
        if too_many is not None:
            count, most = too_many
            why = (
                f"{count:,} MAC addresses that nobody knows within 10 s, the most so far was {most}"
            )
            impostor = Impostor("MAC flooder", MADE_UP, "", window.start, (), {"why": why})
            self._note_impostor(impostor, changed)

    def _look_at_claim(
        self, seen: Observation, knowledge: Knowledge, changed: dict[str, _Spoof]
    ) -> None:
        claim = self._claims.read(seen)
        if claim is None or is_virtual(claim.mac):
            return
        self._servers.alive(claim.mac, claim.time)
        binding, owner = self._claims.note(claim)
        if claim.announced:
            self._note_announcement(claim, changed)
        if len(binding.owners) < 2:
            return
        false = self._impostor(binding, claim, owner, knowledge)
        if false is None:
            return
        mac, kind = false
        holder = next((other for other in binding.owners if other != mac), "")
        if binding.holder != mac:
            holder = binding.holder
        self._note_spoof(mac, kind, claim, holder, knowledge, changed)

    def _impostor(
        self, binding: Binding, claim: Claim, owner: Owner, knowledge: Knowledge
    ) -> tuple[str, str] | None:
        """Return whose claim is false, and in which way; None where all may be well."""
        now = claim.time
        window = round(self.unasked_s * _SECOND)
        rightful = [
            mac
            for mac, other in binding.owners.items()
            if mac != claim.mac
            and not is_virtual(mac)
            and now - other.last <= self.silence_s * _SECOND
        ]
        if not rightful:
            return None
        is_holder = binding.holder == claim.mac
        known = claim.mac in knowledge.routers
        recent = sum(1 for time in owner.unasked if now - time <= window)
        if not is_holder and not known and not claim.asked:
            limit = self.unasked if claim.directed else self.announcements
            if recent >= limit:
                return claim.mac, "unasked answers"
        since = now - round(self.turns_s * _SECOND)
        turns = [mac for time, mac in binding.turns if time >= since]
        if len(turns) >= self.turns:
            suspect = claim.mac if not is_holder and not known else self._newest(binding, knowledge)
            if suspect is not None:
                return suspect, "conflict"
        return None

    def _newest(self, binding: Binding, knowledge: Knowledge) -> str | None:
        """Return the owner that came last: the newcomer is the one to explain itself."""
        others = [
            (owner.first, mac)
            for mac, owner in binding.owners.items()
            if mac != binding.holder and mac not in knowledge.routers and not is_virtual(mac)
        ]
        return max(others)[1] if others else None

    def _note_announcement(self, claim: Claim, changed: dict[str, _Spoof]) -> None:
        times = self._announced.use(claim.mac)
        if times is None:
            times = self._announced.put(claim.mac, Distinct(256))
        times.expire(claim.time - round(self.unasked_s * _SECOND))
        # Several in one instant count apart.
        stamp = claim.time
        while stamp in times:
            stamp += 1
        times.add(stamp, claim.time)
        if len(times) >= self.storm:
            spoof = self._spoof(
                claim.mac, claim.place[1], times.times[next(iter(times))], claim.time
            )
            spoof.kinds["storm"] = None
            spoof.claims += 1
            changed[claim.mac] = spoof

    def _spoof(self, mac: str, ip: str, first: int, now: int) -> _Spoof:
        spoof = self._spoofs.use(mac)
        if spoof is None or now - spoof.last > self.quiet_s * _SECOND:
            spoof = self._spoofs.put(mac, _Spoof(mac, ip, first, now))
        spoof.last = max(spoof.last, now)
        return spoof

    def _note_spoof(
        self,
        mac: str,
        kind: str,
        claim: Claim,
        holder: str,
        knowledge: Knowledge,
        changed: dict[str, _Spoof],
    ) -> None:
        binding = self._claims.bindings.get(claim.place)
        owner = binding.owners.get(mac) if binding is not None else None
        known = self._spoofs.get(mac)
        earliest = owner.unasked[0] if owner is not None and owner.unasked else claim.time
        spoof = self._spoof(mac, "", max(earliest, claim.time - 60 * _SECOND), claim.time)
        if spoof is not known and owner is not None:
            spoof.claims = owner.count - 1
        spoof.kinds[kind] = None
        spoof.claims += 1
        ip = claim.place[1]
        if ip not in spoof.victims:
            if len(spoof.victims) < _SHOWN:
                service = "nd" if ":" in ip else "arp"
                spoof.victims[ip] = Peer(ip, holder, (service,))
            else:
                spoof.more.add(ip)
        if holder in knowledge.routers or holder in self._routers:
            spoof.gateway = True
        changed[mac] = spoof

    def _note_impostor(self, impostor: Impostor, changed: dict[str, _Spoof]) -> None:
        spoof = self._spoof(impostor.mac, impostor.ip, impostor.time, impostor.time)
        spoof.kinds[impostor.kind] = None
        spoof.claims += 1
        spoof.ip = impostor.ip or spoof.ip
        spoof.gateway = spoof.gateway or impostor.is_grave
        spoof.details |= impostor.details
        for peer in impostor.others:
            if peer.ip not in spoof.victims and len(spoof.victims) < _SHOWN:
                spoof.victims[peer.ip] = peer
        changed[impostor.mac] = spoof

    def _finding(self, spoof: _Spoof, knowledge: Knowledge) -> Finding:
        mac = spoof.mac if spoof.mac.count(":") == 5 and "." not in spoof.mac else ""
        subject = Subject(mac=mac, ip=spoof.ip, device=spoof.mac)
        severity = Severity.HIGH
        if spoof.gateway and spoof.kinds.keys() & {"unasked answers", "conflict"}:
            severity = Severity.CRITICAL
        elif spoof.kinds.keys() <= {"storm"} or (
            "rogue" in " ".join(spoof.kinds) and not spoof.gateway
        ):
            severity = Severity.MEDIUM
        peers = tuple(spoof.victims.values())
        feature = Feature(
            "false_claims",
            float(spoof.claims),
            0.0,
            0.0,
            "messages",
            1.0,
            "claims to what is another's",
        )
        return Finding(
            detector=self.name,
            key=spoof.mac,
            severity=severity,
            score=1.0,
            subject=subject,
            summary=_sentence(spoof, subject, knowledge),
            first_seen=spoof.first,
            last_seen=spoof.last,
            peers=peers,
            peers_total=max(spoof.total, len(peers)),
            packets=spoof.claims,
            evidence={
                "kinds": list(spoof.kinds),
                "addresses": list(spoof.victims),
                "gateway": spoof.gateway,
                **spoof.details,
            },
            features=(feature,),
            # Whoever is on the link can write any MAC into a frame.
            spoofable=True,
        )


def _order(seen: Observation) -> tuple[int, int, str, str, str, str]:
    target = seen.fields.get("target_ip") or seen.fields.get("target") or ""
    return seen.time, seen.packet, seen.src_mac, seen.src, seen.dst, str(target)


def _sentence(spoof: _Spoof, subject: Subject, knowledge: Knowledge) -> str:
    who = explain.label(subject, knowledge)
    names = [
        f"{explain.peer_label(peer, knowledge)}, which {peer.mac} has" if peer.mac else peer.ip
        for peer in spoof.victims.values()
    ]
    victims = explain.listing(names, spoof.total, shown=2)
    took = explain.duration(max(1, spoof.last - spoof.first))
    messages = explain.counted(spoof.claims, "message")
    gateway = "that is the router" if spoof.gateway else ""
    if spoof.kinds.keys() & {"unasked answers", "conflict"}:
        claim = f"{who} claims the address {victims}, with {messages} in {took}"
        return explain.sentence([claim, "normal is one owner", gateway])
    if "storm" in spoof.kinds:
        times = explain.counted(spoof.claims, "time")
        return explain.sentence([f"{who} announced itself {times} in {took}", "normal is 1 to 3"])
    kind = next(iter(spoof.kinds), "rogue server")
    return explain.sentence(
        [f"{who} acts as a {kind}; {spoof.details.get('why', 'it is not known here')}"]
    )
