"""Finds scans: many ports of a host, a service on many hosts, sweeps by ICMP, ARP and ND."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.detector import Exports
from phage.detect.names import NamesTable
from phage.detect.parties import HostKey, host_key, is_group, mac_numbers
from phage.detect.probes import (
    AT_HOME,
    HARD,
    OTHERS,
    SOFT,
    Outcome,
    Pair,
    Probes,
    Source,
    by_sources,
    fast_sources,
    is_two_way,
    kind_of,
    outcome_of,
    protocol_of,
    talk,
)
from phage.detect.rows import Flow, Rows, rows_of
from phage.detect.scans import SHOWN, Scan
from phage.detect.shapes import shapes_of
from phage.detect.sweeps import Sweep, SweepLimits, Sweeps
from phage.detect.tables import Recent
from phage.records import Finding, Severity, Window
from phage.records.address import format_address, format_mac
from phage.records.columns import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge
    from phage.records import Columns, Observation

_SECOND = 1_000_000_000
_UDP = 17


@dataclass(slots=True)
class Portscan:
    """Finds scans by targets that do not answer, not by how many a host talks to.

    A source's failed first contacts are counted by host (vertical) and by service (horizontal); see
    `phage.detect.probes` for the walk. What is not counted: hosts whose names were looked up before
    (Whyte et al., DNS-based detection of scanning worms, NDSS 2005), answers, group addresses, what
    a flood does (`phage.detect.shapes`).

    Fails where every target answers, where targets are asked more slowly than `keep_s`
    allows, and for scans shared among so many sources that each stays below the thresholds.
    """

    name: ClassVar[str] = "portscan"
    summary: ClassVar[str] = "Scans: ports of a host, one on many hosts, ICMP and ARP sweeps."
    of_exports: ClassVar[Exports] = Exports.OVER

    ports: int = 9
    """Failed less answered ports of a home host. A walk with factors of 4 has a false positive rate
    of 1e-5 at log(1e5) / log(4) = 8.3 steps."""
    remote_ports: int = 12
    """The same of a remote host: there things fail more often (0.7 against 0.3, a factor of 2.3 a
    step)."""
    hosts: int = 9
    """Failed less answered home hosts by one service; as for ports."""
    remote_hosts: int = 14
    """The same of remote hosts: log(1e5) / log(2.3)."""
    mixed: int = 24
    """Failed home targets of no pattern: three times a clear scan's."""
    share: float = 0.3
    """Part of a source's failed remote targets that the scanned services make up: a worm tries a
    few services everywhere, a peer-to-peer client tries other ports at every peer."""
    outage: int = 4
    """Factor on remote thresholds while nobody on the network is answered from outside: then every
    first contact fails."""
    wait_s: float = 1.0
    """An answer on the link that takes longer is none: a first retransmission comes after 1 s (RFC
    6298)."""
    remote_wait_s: float = 3.0
    """The same through the Internet: two retransmissions."""
    settle_s: float = 1.0
    """So long a very fast scan is watched before it is named: a flood begins the same way."""
    keep_s: float = 3600.0
    """How long failed targets are remembered: a probe every few minutes is still a scan."""
    quiet_s: float = 600.0
    """A scan that rested for so long is over; what follows is another."""
    sweep_fast: int = 16
    """Addresses without owner asked for within a minute by ARP or ND; a host that wakes up asks for
    its neighbours, and these exist."""
    sweep_slow: int = 40
    """The same within an hour: a list of peers that are switched off is rarely that long."""
    sweep_answered: int = 64
    """Addresses asked for within a minute, though all have owners."""
    sweep_router: int = 128
    """Addresses without owner that a router asks for within a minute: it asks on behalf of others.
    """
    most_sources: int = 4096
    """Sources with state, about 2 kB each when they fail a lot."""
    most_targets: int = 32_768
    """Targets of all sources, about 250 bytes each: 8 MB at the worst."""
    most_targets_each: int = 2048
    """Targets of one source."""

    _probes: Probes = field(init=False, repr=False)
    _sweeps: Sweeps = field(init=False, repr=False)
    _names: NamesTable = field(init=False, repr=False)
    _scans: Recent[str, Scan] = field(init=False, repr=False)
    _routers: dict[int, None] = field(init=False, repr=False)
    _flooded: dict[bytes, int] = field(init=False, repr=False)
    _held: dict[HostKey, None] = field(init=False, repr=False)
    _answered_outside: int = field(init=False, default=0, repr=False)
    _turned: dict[str, Scan] = field(init=False, default_factory=dict, repr=False)
    """Scans of which the last window proved that their source is nobody's invention."""

    def __post_init__(self) -> None:
        """Make the tables."""
        self._probes = Probes(
            most_sources=self.most_sources,
            most_pairs=self.most_targets,
            most_pairs_each=self.most_targets_each,
            keep=round(self.keep_s * _SECOND),
        )
        self._sweeps = Sweeps(
            SweepLimits(
                self.sweep_fast,
                self.sweep_slow,
                self.sweep_answered,
                self.sweep_router,
                round(self.quiet_s * _SECOND),
            )
        )
        self._names = NamesTable()
        self._scans = Recent(256)
        self._routers = {}
        self._flooded = {}
        self._held = {}

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        return (
            self._probes.dropped + self._sweeps.dropped + self._names.dropped + self._scans.dropped
        )

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        rows = rows_of(window)
        for mac in rows.routers:
            if len(self._routers) < 64:
                self._routers[mac] = None
        routers = mac_numbers(knowledge.routers) | frozenset(self._routers)
        changed: dict[str, Scan] = {}
        neighbours = []
        for seen in window.observations:
            if seen.kind == "dns":
                self._names.observe(seen)
            elif seen.kind in {"arp", "nd"}:
                neighbours.append(seen)
        if neighbours:
            self._look_at_link(neighbours, routers, changed)
        touched = self._look_at_flows(window, rows, routers)
        for source in touched.values():
            self._judge(source, window, changed)
        for name, scan in (changed | self._turned).items():
            yield scan.finding(self.name, name, knowledge)
        self._turned.clear()

    def _look_at_link(
        self, neighbours: list[Observation], routers: frozenset[int], changed: dict[str, Scan]
    ) -> None:
        known = frozenset(format_mac(mac) for mac in routers)
        neighbours.sort(key=lambda seen: (seen.time, seen.packet, seen.src_mac, seen.dst, seen.src))
        for sweep in self._sweeps.observe(neighbours, known):
            self._note_sweep(sweep, neighbours[-1].time, changed)

    def _look_at_flows(
        self, window: Window, rows: Rows, routers: frozenset[int]
    ) -> dict[HostKey, Source]:
        touched: dict[HostKey, Source] = {}
        now = window.end
        for shape in shapes_of(window):
            if shape.is_flood:
                self._flooded[shape.victim] = now
        while len(self._flooded) > 64:
            del self._flooded[next(iter(self._flooded))]
        fast = frozenset() if rows.complete else fast_sources(rows.flows, routers)
        stirred = self._probes.stirred()
        flows = rows.flow_columns
        said = talk(flows)
        if stirred:
            said &= ~by_sources(flows, stirred)
        self._note_contacts(flows[said])
        for row in rows.flows_where(~said & (flows["ip_version"] != 0)):
            if not is_group(row.dst, row.dst_mac):
                self._look_at_flow(row, now, routers, fast, touched)
        self._expire_pending(rows, now, touched)
        for key in list(self._held):
            source = self._probes.get(key)
            del self._held[key]
            if source is not None:
                touched[key] = source
        return touched

    def _look_at_flow(
        self,
        row: Flow,
        now: int,
        routers: frozenset[int],
        fast: frozenset[HostKey],
        touched: dict[HostKey, Source],
    ) -> None:
        outcome = outcome_of(row)
        if outcome is Outcome.UNKNOWN:
            return
        probes = self._probes
        key = host_key(row.src, row.src_mac, home=bool(row.home & 1), routers=routers)
        pair: Pair = (row.dst, (row.home & 2) << 23 | row.protocol << 16 | row.dst_port)
        started = bool(row.event & Event.STARTED)
        if outcome is Outcome.ANSWERED:
            if row.home == 1:
                self._answered_outside = max(self._answered_outside, row.last)
            source = probes.get(key)
            if source is not None and source.size:
                was_failed = pair in source.failed
                probes.succeed(source, pair, first_contact=started)
                self._note_answer(source, row, was_scanned=was_failed or started)
            return
        if row.dst in self._flooded and now - self._flooded[row.dst] < 30 * _SECOND:
            return
        source = probes.source(key, row)
        source.sent += row.sent if started else 0
        if outcome is Outcome.FAILED or row.event & Event.ENDED or key in fast:
            soft = outcome is Outcome.SILENT and row.protocol == _UDP
            self._fail(source, pair, row.start, SOFT if soft else HARD)
            if source.touched:
                touched[key] = source
        elif started or pair not in source.pending:
            probes.wait(source, pair, row.start)

    def _note_contacts(self, answered: Columns) -> None:
        """Note when somebody at home was answered from outside last."""
        latest = answered["last"][answered["home"] == 1].max(initial=0)
        self._answered_outside = max(self._answered_outside, int(latest))

    def _fail(self, source: Source, pair: Pair, time: int, weight: int) -> None:
        # A name that was looked up just before is the opposite of guessing addresses.
        looked_up = not pair[1] & AT_HOME and self._names.name(pair[0]) is not None
        # Tunnels and routing are often one-way: one such protocol at many hosts is no scan.
        counts = not looked_up and kind_of(pair[1]) != OTHERS
        if not self._probes.fail(source, pair, time, weight, weight if counts else 0):
            return
        source.usual.add(time)
        if time - source.burst_last > 2 * _SECOND:
            source.burst_start = time
        source.burst_last = max(source.burst_last, time)

    def _expire_pending(self, rows: Rows, now: int, touched: dict[HostKey, Source]) -> None:
        probes = self._probes
        waits = round(self.wait_s * _SECOND), round(self.remote_wait_s * _SECOND)
        for source, late in probes.due(now, *waits):
            for pair, time in late:
                # With rows left out its answer may be among them; a flood's victim answers nobody.
                if not rows.complete or pair[0] in self._flooded:
                    probes.give_up(source, pair)
                    continue
                self._fail(source, pair, time, SOFT if protocol_of(pair[1]) == _UDP else HARD)
            if source.touched:
                touched[source.key] = source

    def _judge(self, source: Source, window: Window, changed: dict[str, Scan]) -> None:
        now = window.end
        probes = self._probes
        name = _device_name(source)
        known = self._scans.get(name)
        active = known is not None and now - known.last <= self.quiet_s * _SECOND
        # What was a part of a scan that is over is no evidence for another.
        over = known.last + 1 if known is not None and not active else 0
        probes.expire(source, max(now - probes.keep, over))
        fresh = [pair for pair in source.touched if pair in source.failed]
        if not active and self._is_too_young(source, window):
            self._held[source.key] = None
            return
        source.touched.clear()
        if not fresh:
            return
        kinds = self._kinds(source, fresh, now)
        if not kinds and not active:
            return
        source.usual.forgive()
        scan = known if known is not None and active else self._begin(name, source, now)
        scan.kinds.update(kinds)
        self._extend(scan, source, fresh if active else list(source.failed), now)
        changed[name] = scan

    def _is_too_young(self, source: Source, window: Window) -> bool:
        """Tell whether a fast burst at one host has to be watched longer: a flood begins so."""
        if len(source.touched) < 64 and source.key not in self._held:
            return False
        if len({address for address, _ in source.touched}) > 4:
            return False
        if any(shape.is_scan and shape.source == source.address for shape in shapes_of(window)):
            return False
        return window.end - source.burst_start < self.settle_s * _SECOND

    def _kinds(self, source: Source, fresh: list[Pair], now: int) -> dict[str, None]:
        kinds: dict[str, None] = {}
        outage = now - self._answered_outside > 10 * _SECOND
        strict = self.outage if outage else 1
        for address, home, asked in dict.fromkeys(
            (pair[0], pair[1] & AT_HOME, kind_of(pair[1])) for pair in fresh
        ):
            need = self.ports if home else self.remote_ports
            walk = source.failed_on[address, asked] - HARD * source.good_on[address, asked]
            if walk >= HARD * need and asked not in (1, 58):
                kinds["protocols" if asked == OTHERS else "vertical"] = None
        for service in dict.fromkeys(pair[1] for pair in fresh):
            if source.failed_by[service] >= HARD * self.hosts:
                kind = self._horizontal(source, service, strict)
                if kind:
                    kinds[kind] = None
        if not kinds and len(source.failed) >= self.mixed:
            at_home = sum(
                1 for pair in source.failed if pair[1] & AT_HOME and kind_of(pair[1]) != OTHERS
            )
            if at_home >= self.mixed and at_home > len(source.good) * 2:
                kinds["mixed"] = None
        return kinds

    def _horizontal(self, source: Source, service: int, strict: int) -> str:
        walk = source.failed_by[service] - HARD * source.good_by[service]
        kind = "icmp sweep" if protocol_of(service) in (1, 58) else "horizontal"
        if service & AT_HOME:
            return kind if walk >= HARD * self.hosts else ""
        if walk < HARD * self.remote_hosts * strict:
            return ""
        # The eight busiest services: a worm or a scanner has a short list.
        away = [count for key, count in source.failed_by.items() if not key & AT_HOME]
        return kind if sum(sorted(away)[-8:]) >= self.share * sum(away) else ""

    def _begin(self, name: str, source: Source, now: int) -> Scan:
        subject = explain.subject_of(source.address, source.mac, home=isinstance(source.key, int))
        first = min((entry[0] for entry in source.failed.values()), default=now)
        scan = Scan(subject, first, now, source.home, source.usual.highest)
        scan.two_way = source.proven >= first
        source.scanned = True
        return self._scans.put(name, scan)

    def _extend(self, scan: Scan, source: Source, pairs: list[Pair], now: int) -> None:
        for address, service in pairs:
            entry = source.failed.get((address, service))
            scan.last = max(scan.last, entry[0] if entry else now)
            scan.add(format_address(address), _service_name(service))
        scan.probes += source.sent
        source.sent = 0
        if not source.home:
            scan.severity = Severity.MEDIUM
        elif scan.kinds.keys() - {"neighbour sweep", "icmp sweep"}:
            scan.severity = Severity.HIGH

    def _note_answer(self, source: Source, row: Flow, *, was_scanned: bool) -> None:
        name = _device_name(source)
        scan = self._scans.get(name)
        if is_two_way(row):
            source.proven = max(source.proven, row.start)
            if scan is not None and row.start >= scan.first and not scan.two_way:
                scan.two_way = True
                self._turned[name] = scan
        if scan is None or not was_scanned or row.start < scan.first:
            return
        if len(scan.answered) < SHOWN:
            place = explain.service(row.protocol, row.dst_port)
            scan.answered[f"{format_address(row.dst)} {place}"] = None

    def _note_sweep(self, sweep: Sweep, now: int, changed: dict[str, Scan]) -> None:
        asker = sweep.asker
        name = asker.mac or asker.ip
        scan = self._scans.get(name)
        if scan is None or now - scan.last > self.quiet_s * _SECOND:
            subject = explain.subject_named(asker.ip, asker.mac)
            scan = self._scans.put(
                name, Scan(subject, sweep.first, now, home=True, usual=sweep.usual)
            )
        scan.kinds["neighbour sweep"] = None
        service = "nd" if asker.neighbour_discovery else "arp"
        for ip in sweep.unowned:
            if ip not in scan.hosts:
                scan.add(ip, service)
        scan.last = now
        scan.least_hosts = max(scan.least_hosts, sweep.total)
        scan.probes = max(scan.probes, asker.requests)
        changed[name] = scan


def _service_name(service: int) -> str:
    return explain.service(protocol_of(service), service & 0xFFFF)


def _device_name(source: Source) -> str:
    return format_mac(source.key) if isinstance(source.key, int) else format_address(source.key)
