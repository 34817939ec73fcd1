"""Finds floods: SYNs never completed, segments, datagrams and echo requests beyond all measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.parties import is_group, mac_numbers
from phage.detect.rows import Bools, Flow, Host, Rows, rows_of
from phage.detect.shapes import SynShape, shapes_of
from phage.detect.tables import Recent, Usual
from phage.records import Feature, Finding, Peer, Severity, Subject, Window
from phage.records.address import format_address
from phage.records.columns import Event, HostMark, TcpState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_TCP = 6
_SHOWN = 16
_SYN = 2
_BUSY = 20
_PROTOCOLS = {"tcp": (6,), "udp": (17,), "icmp": (1, 58)}
_BEGUN = frozenset({TcpState.SYN_SENT, TcpState.SYN_RECEIVED})


@dataclass(slots=True)
class _Flood:
    """One victim's flood of one kind, as far as it was seen."""

    kind: str
    first: int
    last: int
    packets: int = 0
    peak: float = 0.0
    usual: float = 0.0
    sources: dict[str, None] = field(default_factory=dict)
    sources_total: int = 0
    ports: dict[str, None] = field(default_factory=dict)
    attacker: Subject | None = None
    attacker_address: bytes = b""


@dataclass(slots=True)
class _Victim:
    """One host that is sent much: what it usually gets, and what is half open."""

    address: bytes
    mac: int
    home: bool
    usual: dict[str, Usual] = field(default_factory=dict)
    half_open: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    suspicious: dict[str, int] = field(default_factory=dict)
    floods: dict[str, _Flood] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Rate:
    """What a host row says of one kind of packet."""

    kind: str
    received: int
    answered: int
    outgoing: bool


@dataclass(slots=True)
class Synflood:
    """Finds floods of SYNs by connections that are begun and not completed, at the victim's side.

    The idea is Wang, Zhang and Shin's (Detecting SYN flooding attacks, INFOCOM 2002): begun less
    completed. A flash crowd completes its handshakes; a scan asks each port once
    (`phage.detect.shapes`). Floods of UDP, ICMP and of TCP segments without connection are found by
    rates that are one-way (resets are no answer) and far above the host's own. A flood that a home
    device sends has that device as its subject, any other has its victim.

    Fails for floods below `slow_half_open`, for slow attacks that complete their handshakes, and
    where the victim's usual traffic is one-way and rises tenfold by itself.
    """

    name: ClassVar[str] = "synflood"
    summary: ClassVar[str] = (
        "Floods: SYNs never completed; TCP, UDP and ICMP far above a host's own rates."
    )

    sure: int = 1000
    """Connections begun in one window (a quarter of a second) that are a flood at once: no client
    opens 4,000 connections a second to one host and gets no answer."""
    confirm_s: float = 1.0
    """Fewer (at least 100) have to come in two windows within this time: over a long way the first
    window sees no handshake's end."""
    slow_half_open: int = 64
    """Connections half open for a second and longer: half of the smallest backlog in use (128)."""
    slow_per_port: int = 8
    """Half-open connections for each port that is asked: a scan has one or two."""
    above_usual: float = 5.0
    """Times the host's own busiest minute: a server that is down sees its clients come back two or
    three times."""
    udp_rate: float = 2500.0
    """Datagrams, or segments without connection, a second: 30 Mbit/s of full-size ones, the most
    that one stream of video needs."""
    udp_rate_single: float = 20_000.0
    """The same from one source to one port: nothing at home sends so much without any answer."""
    icmp_rate: float = 500.0
    """Echo requests a second: 500 times what `ping` sends."""
    answered_share: float = 0.05
    """Part that is answered in a flood at most: a transfer over UDP is acknowledged every 2 to 20
    packets."""
    quiet_s: float = 60.0
    """A flood that rested for so long is over."""
    most_victims: int = 512
    """Hosts with state: half-open connections take about 200 kB at the worst."""
    most_half_open: int = 1024
    """Half-open connections remembered of one host; a flood is clear long before."""

    _victims: Recent[bytes, _Victim] = field(init=False, repr=False)
    _half_open: dict[int, bytes] = field(init=False, repr=False)
    _routers: dict[int, None] = field(init=False, repr=False)
    _lost: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._victims = Recent(self.most_victims, self._forget)
        self._half_open = {}
        self._routers = {}

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        return self._victims.dropped + self._lost

    def _forget(self, victim: _Victim) -> None:
        for flow in victim.half_open:
            self._half_open.pop(flow, None)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        rows = rows_of(window)
        for mac in rows.routers:
            if len(self._routers) < 64:
                self._routers[mac] = None
        routers = mac_numbers(knowledge.routers) | frozenset(self._routers)
        changed: dict[tuple[bytes, str], tuple[_Victim, _Flood]] = {}
        for shape in shapes_of(window):
            self._look_at_shape(shape, window, routers, changed)
        # With rows left out it is not known what was completed; then the shapes tell.
        if len(rows.flow_columns) and rows.complete:
            self._look_at_half_open(rows, window, changed)
        seconds = max(window.end - window.start, _SECOND // 4) / _SECOND
        packets = rows.host_columns["packets"]
        for row in rows.hosts_where((packets[:, 0] >= _BUSY) | (packets[:, 1] >= _BUSY)):
            self._look_at_host(row, rows, window, seconds, changed)
        for victim, flood in changed.values():
            yield self._finding(victim, flood, knowledge)

    def _victim(self, address: bytes, mac: int, *, home: bool) -> _Victim:
        victim = self._victims.use(address)
        if victim is None:
            victim = self._victims.put(address, _Victim(address, mac, home))
        return victim

    def _flood(self, victim: _Victim, kind: str, start: int, window: Window) -> _Flood:
        flood = victim.floods.get(kind)
        if flood is None or window.end - flood.last > self.quiet_s * _SECOND:
            usual = victim.usual.get(kind)
            flood = _Flood(kind, start, window.end, usual=usual.highest / 60 if usual else 0.0)
            victim.floods[kind] = flood
        flood.last = max(flood.last, window.end)
        if kind in victim.usual:
            victim.usual[kind].forgive()
        return flood

    def _look_at_shape(
        self,
        shape: SynShape,
        window: Window,
        routers: frozenset[int],
        changed: dict[tuple[bytes, str], tuple[_Victim, _Flood]],
    ) -> None:
        victim = self._victim(shape.victim, shape.victim_mac, home=shape.home)
        if not shape.is_flood:
            return
        known = victim.floods.get("syn")
        before = victim.suspicious.get("syn")
        victim.suspicious["syn"] = window.end
        going_on = known is not None and window.end - known.last <= self.quiet_s * _SECOND
        confirmed = before is not None and window.start - before <= self.confirm_s * _SECOND
        if not (going_on or confirmed or shape.flows >= self.sure):
            return
        usual = victim.usual.get("syn")
        rate = shape.flows / max((window.end - window.start) / _SECOND, 0.25)
        if usual is not None and rate * 60 < self.above_usual * usual.highest:
            return
        flood = self._flood(victim, "syn", window.start, window)
        hosts = (row for row in rows_of(window).hosts if row.address == shape.victim)
        contacting = max((_count(row.peers_contacting) for row in hosts), default=0)
        flood.packets += shape.packets
        flood.peak = max(flood.peak, rate)
        flood.sources_total = max(flood.sources_total, shape.sources, contacting)
        _note(flood.sources, format_address(shape.source))
        _note(flood.ports, explain.service(_TCP, shape.top_port))
        outside = shape.source_mac in routers or not shape.source_mac
        if not outside and (shape.source_home or (routers and shape.source_macs == 1)):
            alone = shape.sources == 1
            flood.attacker = explain.subject_of(
                shape.source if alone or shape.source_home else bytes(16),
                shape.source_mac,
                home=True,
            )
        changed[shape.victim, "syn"] = (victim, flood)

    def _look_at_half_open(
        self,
        rows: Rows,
        window: Window,
        changed: dict[tuple[bytes, str], tuple[_Victim, _Flood]],
    ) -> None:
        touched: dict[bytes, None] = {}
        known = self._half_open
        for row in rows.flows_where(self._opening(rows)):
            if row.id in known:
                if row.state not in _BEGUN:
                    self._close(row.id)
                continue
            if not row.event & Event.STARTED:
                continue
            begun = row.state in _BEGUN and row.flags_sent & _SYN
            if not (begun or row.home & 2):
                continue
            victim = self._victim(row.dst, row.dst_mac, home=bool(row.home & 2))
            self._usual(victim, "syn", row.start).add(row.start)
            if begun:
                self._open(victim, row)
                touched[row.dst] = None
        for address in touched:
            known_victim = self._victims.get(address)
            if known_victim is not None and len(known_victim.half_open) >= self.slow_half_open:
                self._judge_half_open(known_victim, window, changed)

    def _opening(self, rows: Rows) -> Bools:
        """Tell which flows begin as connections, or are among those that are half open."""
        flows = rows.flow_columns
        opening: Bools = (flows["event"] & Event.STARTED) != 0
        if self._half_open:
            opening |= rows.flows_in(self._half_open)
        opening &= flows["protocol"] == _TCP
        return opening

    def _open(self, victim: _Victim, row: Flow) -> None:
        victim.half_open[row.id] = (row.start, row.dst_port, row.src)
        self._half_open[row.id] = victim.address
        if len(victim.half_open) > self.most_half_open:
            oldest = next(iter(victim.half_open))
            self._close(oldest)
            self._lost += 1

    def _close(self, flow: int) -> None:
        address = self._half_open.pop(flow, None)
        victim = self._victims.get(address) if address is not None else None
        if victim is not None:
            victim.half_open.pop(flow, None)

    def _judge_half_open(
        self,
        victim: _Victim,
        window: Window,
        changed: dict[tuple[bytes, str], tuple[_Victim, _Flood]],
    ) -> None:
        now = window.end
        for flow, (start, _, _) in list(victim.half_open.items()):
            # A minute is longer than any retransmission of a handshake's first seconds.
            if now - start <= 60 * _SECOND:
                break
            self._close(flow)
        old = [entry for entry in victim.half_open.values() if now - entry[0] >= _SECOND]
        ports = {port for _, port, _ in old}
        if len(old) < max(self.slow_half_open, self.slow_per_port * len(ports)):
            return
        rate = len(old) / max((now - old[0][0]) / _SECOND, 1.0)
        usual = victim.usual.get("syn")
        # The minute that runs counts the flood itself and is not in `highest` yet.
        if usual is not None and rate * 60 < self.above_usual * usual.highest:
            return
        flood = self._flood(victim, "syn", old[0][0], window)
        flood.packets = max(flood.packets, len(old))
        flood.peak = max(flood.peak, rate)
        sources = {source for _, _, source in old}
        flood.sources_total = max(flood.sources_total, len(sources))
        for source in sorted(sources)[:_SHOWN]:
            _note(flood.sources, format_address(source))
        for port in sorted(ports)[:_SHOWN]:
            _note(flood.ports, explain.service(_TCP, port))
        changed[victim.address, "syn"] = (victim, flood)

    def _usual(self, victim: _Victim, kind: str, time: int) -> Usual:
        usual = victim.usual.get(kind)
        if usual is None:
            usual = victim.usual[kind] = Usual(time)
        return usual

    def _look_at_host(
        self,
        row: Host,
        rows: Rows,
        window: Window,
        seconds: float,
        changed: dict[tuple[bytes, str], tuple[_Victim, _Flood]],
    ) -> None:
        if not row.marks & HostMark.HOME and row.received < self.icmp_rate * seconds:
            return
        if is_group(row.address, row.mac):
            return
        rates = (
            _Rate("syn", row.syn_received, row.syn_ack_sent, outgoing=False),
            _tcp_rate(row, outgoing=False),
            _Rate("udp", row.udp_received, row.udp_sent, outgoing=False),
            _Rate("icmp", row.echo_received, row.echo_received - row.echo_sent, outgoing=False),
            _tcp_rate(row, outgoing=True),
            _Rate("udp out", row.udp_sent, row.udp_received, outgoing=True),
            _Rate("icmp out", row.echo_sent, 0, outgoing=True),
        )
        for rate in rates:
            if rate.received < _BUSY:
                continue
            victim = self._victim(row.address, row.mac, home=bool(row.marks & HostMark.HOME))
            usual = self._usual(victim, rate.kind, row.first)
            if rate.kind != "syn":
                usual.add(row.first, rate.received)
            if not self._exceeds(rate, row, rows, seconds, usual):
                continue
            before = victim.suspicious.get(rate.kind)
            victim.suspicious[rate.kind] = window.end
            if before is not None and window.start - before <= self.confirm_s * _SECOND:
                flood = self._extend(victim, rate, row, rows, window, seconds)
                if flood is not None:
                    changed[row.address, rate.kind] = (victim, flood)

    def _extend(
        self, victim: _Victim, rate: _Rate, row: Host, rows: Rows, window: Window, seconds: float
    ) -> _Flood | None:
        """Add a host's rate to its flood; None where another host's row tells of the same flood."""
        partner = _partner_at_home(row, rows, rate)
        if partner is not None and rate.outgoing:
            return None
        flood = self._flood(victim, rate.kind, row.first, window)
        flood.packets += rate.received
        flood.peak = max(flood.peak, rate.received / seconds)
        contacts = row.peers_contacted if rate.outgoing else row.peers_contacting
        flood.sources_total = max(flood.sources_total, _count(contacts))
        self._note_parties(flood, row, rows, outgoing=rate.outgoing)
        if rate.outgoing:
            home = bool(row.marks & HostMark.HOME)
            flood.attacker = explain.subject_of(row.address, row.mac, home=home)
        elif partner is not None:
            flood.attacker = explain.subject_of(partner.src, partner.src_mac, home=True)
        return flood

    def _exceeds(self, rate: _Rate, row: Host, rows: Rows, seconds: float, usual: Usual) -> bool:
        per_second = rate.received / seconds
        if per_second * 60 < self.above_usual * usual.highest:
            return False
        if rate.kind == "syn":
            # The same connection's SYN over and over: few flows, so no shape tells of it.
            flows = [
                flow for flow in rows.flows if flow.protocol == _TCP and flow.dst == row.address
            ]
            repeated = sum(flow.sent for flow in flows if flow.state in _BEGUN)
            return per_second >= 400 and repeated > rate.received // 2 and repeated > 8 * len(flows)
        if rate.kind.startswith("icmp"):
            return per_second >= self.icmp_rate
        if rate.answered > self.answered_share * rate.received:
            return False
        many = row.flows_sent if rate.outgoing else row.flows_received
        unreachable = row.unreachable_received if rate.outgoing else row.unreachable_sent
        spread = many >= 50 or unreachable >= 10
        return per_second >= (self.udp_rate if spread else self.udp_rate_single)

    def _note_parties(self, flood: _Flood, row: Host, rows: Rows, *, outgoing: bool) -> None:
        if len(flood.sources) >= _SHOWN:
            return
        for flow in rows.flows:
            mine, other = (flow.src, flow.dst) if outgoing else (flow.dst, flow.src)
            if mine == row.address and flow.protocol in (1, 6, 17, 58):
                _note(flood.sources, format_address(other))
                if flow.protocol in (6, 17):
                    _note(flood.ports, explain.service(flow.protocol, flow.dst_port))

    def _finding(self, victim: _Victim, flood: _Flood, knowledge: Knowledge) -> Finding:
        target = explain.subject_of(victim.address, victim.mac, home=victim.home)
        is_out = flood.attacker is not None
        subject = flood.attacker if flood.attacker is not None else target
        services = tuple(flood.ports)[:_SHOWN]
        if is_out and not flood.kind.endswith("out"):
            peers: tuple[Peer, ...] = (Peer(target.ip, target.mac, services),)
            total = 1
        else:
            peers = tuple(Peer(ip, services=services) for ip in flood.sources)
            total = max(flood.sources_total, len(peers))
        feature = Feature(
            f"{flood.kind.replace(' ', '_')}_rate",
            flood.peak,
            0.0,
            max(flood.usual, 1.0),
            "packets/s",
            1.0,
            "packets of the flood in a second",
        )
        return Finding(
            detector=self.name,
            key=f"{subject.device}/{flood.kind}",
            severity=Severity.HIGH if "syn" in flood.kind or not is_out else Severity.MEDIUM,
            score=1.0,
            subject=subject,
            summary=_sentence(subject, target, flood, knowledge, feature),
            first_seen=flood.first,
            last_seen=flood.last,
            peers=peers,
            peers_total=total,
            packets=flood.packets,
            evidence={
                "kind": flood.kind,
                "subject_is": "attacker" if is_out else "victim",
                "peak_per_second": round(flood.peak, 1),
                "usual_per_second": round(flood.usual, 2),
                "sources": flood.sources_total,
                "services": list(services),
            },
            features=(feature,),
            spoofable=True,
        )


def _sentence(
    subject: Subject, target: Subject, flood: _Flood, knowledge: Knowledge, feature: Feature
) -> str:
    who = explain.label(subject, knowledge)
    what = {
        "syn": "SYNs that were not completed",
        "tcp": "TCP packets without connection",
        "tcp out": "TCP packets without connection",
        "udp": "datagrams without answer",
        "udp out": "datagrams without answer",
        "icmp": "echo requests",
        "icmp out": "echo requests",
    }[flood.kind]
    rate = f"{explain.number(round(flood.peak))} {what} a second"
    if flood.attacker is not None:
        others = explain.listing(list(flood.sources), flood.sources_total, shown=2)
        sent_out = flood.kind.endswith("out")
        whom = others if sent_out else explain.label(target, knowledge)
        first = f"{who} sends {whom} {rate}"
    else:
        sources = explain.listing(list(flood.sources), flood.sources_total, shown=2)
        first = f"{who} is sent {rate} from {sources}"
    normal = explain.expected(0, round(feature.expected_high, 1))
    return explain.sentence([first, f"normal for it is {normal} a second"])


def _tcp_rate(row: Host, *, outgoing: bool) -> _Rate:
    """Return the rate of TCP segments; neither SYNs nor what is no TCP count, nor resets in answer.

    What host rows do not count by kind (other protocols) counts as TCP: it is as one-way.
    """
    received = row.received - row.syn_received - row.udp_received - row.echo_received
    sent = row.sent - row.syn_sent - row.udp_sent - row.echo_sent
    if outgoing:
        return _Rate("tcp out", sent - row.rst_sent, received - row.rst_received, outgoing=True)
    return _Rate("tcp", received - row.rst_received, sent - row.rst_sent, outgoing=False)


def _partner_at_home(row: Host, rows: Rows, rate: _Rate) -> Flow | None:
    """Return a flow with the home host that most of a home host's packets come from, or go to.

    Most is nine tenths; None where there is no such host.
    """
    packets: dict[bytes, int] = {}
    flows: dict[bytes, Flow] = {}
    protocols = _PROTOCOLS.get(rate.kind.partition(" ")[0], (_TCP,))
    for flow in rows.flows:
        mine, other = (flow.src, flow.dst) if rate.outgoing else (flow.dst, flow.src)
        if mine == row.address and flow.protocol in protocols:
            packets[other] = packets.get(other, 0) + flow.sent
            flows[other] = flow
    top = max(packets, key=lambda other: packets[other], default=b"")
    if not top or packets[top] < 0.9 * sum(packets.values()) or flows[top].home != 3:
        return None
    return flows[top]


def _count(estimate: float) -> int:
    """Return an estimate of a sketch as a number; 0 where it is none."""
    return round(estimate) if 0.0 <= estimate < 1e12 else 0


def _note(things: dict[str, None], thing: str) -> None:
    if len(things) < _SHOWN:
        things[thing] = None
