"""Finds floods: SYNs never completed, segments, datagrams and echo requests beyond all measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.floods import (
    SHOWN,
    Flood,
    Rate,
    Victim,
    count,
    note,
    partner_at_home,
    rates_of,
)
from phage.detect.parties import is_group, mac_numbers
from phage.detect.rows import Bools, Flow, Host, Rows, rows_of
from phage.detect.shapes import SynShape, shapes_of
from phage.detect.tables import Recent, Usual
from phage.records.address import format_address
from phage.records.columns import Event, HostMark, TcpState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge
    from phage.records import Finding, Window

_SECOND = 1_000_000_000
_TCP = 6
_SYN = 2
_BUSY = 20
_BEGUN = frozenset({TcpState.SYN_SENT, TcpState.SYN_RECEIVED})


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

    _victims: Recent[bytes, Victim] = field(init=False, repr=False)
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

    def _forget(self, victim: Victim) -> None:
        for flow in victim.half_open:
            self._half_open.pop(flow, None)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        rows = rows_of(window)
        for mac in rows.routers:
            if len(self._routers) < 64:
                self._routers[mac] = None
        routers = mac_numbers(knowledge.routers) | frozenset(self._routers)
        changed: dict[tuple[bytes, str], tuple[Victim, Flood]] = {}
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
            yield flood.finding(self.name, victim, knowledge)

    def _victim(self, address: bytes, mac: int, *, home: bool) -> Victim:
        victim = self._victims.use(address)
        if victim is None:
            victim = self._victims.put(address, Victim(address, mac, home))
        return victim

    def _flood(self, victim: Victim, kind: str, start: int, window: Window) -> Flood:
        flood = victim.floods.get(kind)
        if flood is None or window.end - flood.last > self.quiet_s * _SECOND:
            usual = victim.usual.get(kind)
            flood = Flood(kind, start, window.end, usual=usual.highest / 60 if usual else 0.0)
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
        changed: dict[tuple[bytes, str], tuple[Victim, Flood]],
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
        contacting = max((count(row.peers_contacting) for row in hosts), default=0)
        flood.packets += shape.packets
        flood.peak = max(flood.peak, rate)
        flood.sources_total = max(flood.sources_total, shape.sources, contacting)
        note(flood.sources, format_address(shape.source))
        note(flood.ports, explain.service(_TCP, shape.top_port))
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
        changed: dict[tuple[bytes, str], tuple[Victim, Flood]],
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

    def _open(self, victim: Victim, row: Flow) -> None:
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
        victim: Victim,
        window: Window,
        changed: dict[tuple[bytes, str], tuple[Victim, Flood]],
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
        for source in sorted(sources)[:SHOWN]:
            note(flood.sources, format_address(source))
        for port in sorted(ports)[:SHOWN]:
            note(flood.ports, explain.service(_TCP, port))
        changed[victim.address, "syn"] = (victim, flood)

    def _usual(self, victim: Victim, kind: str, time: int) -> Usual:
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
        changed: dict[tuple[bytes, str], tuple[Victim, Flood]],
    ) -> None:
        if not row.marks & HostMark.HOME and row.received < self.icmp_rate * seconds:
            return
        if is_group(row.address, row.mac):
            return
        for rate in rates_of(row, _BUSY):
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
        self, victim: Victim, rate: Rate, row: Host, rows: Rows, window: Window, seconds: float
    ) -> Flood | None:
        """Add a host's rate to its flood; None where another host's row tells of the same flood."""
        partner = partner_at_home(row, rows, rate)
        if partner is not None and rate.outgoing:
            return None
        flood = self._flood(victim, rate.kind, row.first, window)
        flood.packets += rate.received
        flood.peak = max(flood.peak, rate.received / seconds)
        contacts = row.peers_contacted if rate.outgoing else row.peers_contacting
        flood.sources_total = max(flood.sources_total, count(contacts))
        flood.note_parties(row, rows, outgoing=rate.outgoing)
        if rate.outgoing:
            home = bool(row.marks & HostMark.HOME)
            flood.attacker = explain.subject_of(row.address, row.mac, home=home)
        elif partner is not None:
            flood.attacker = explain.subject_of(partner.src, partner.src_mac, home=True)
        return flood

    def _exceeds(self, rate: Rate, row: Host, rows: Rows, seconds: float, usual: Usual) -> bool:
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
