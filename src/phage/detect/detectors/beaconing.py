"""Finds beacons: contacts as regular as a clock, with a peer that nobody knew before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.names import NamesTable
from phage.detect.parties import HostKey, host_key, is_group, mac_numbers
from phage.detect.rows import Flow, Rows, rows_of
from phage.detect.tables import Lately, Recent, keep
from phage.devices.domainnames import registered_domain
from phage.frozen import frozen
from phage.records import Feature, Finding, Observation, Peer, Severity, Subject, Window
from phage.records.address import format_address, parse_address
from phage.records.columns import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_HOUR = 3600 * _SECOND
_MAPPED = bytes(10) + b"\xff\xff"
_TCP, _UDP = 6, 17
# Services that are regular by nature and carry no orders: names, time, keeping a NAT open, leases.
_REGULAR = frozenset(
    {
        (_TCP, 53),
        (_TCP, 853),
        *((_UDP, port) for port in (53, 67, 123, 500, 1900, 3478, 4500, 5351, 5353)),
    }
)
_WEB = frozenset({80, 443})
_NEW_PEERS = 32  # Those of which the time is remembered.

_Contact = tuple[HostKey, bytes, int]
"""Device, peer, service (protocol << 16 | port)."""


@dataclass(slots=True)
class _Series:
    """The contacts of one device with one new peer."""

    subject: Subject
    first: int
    active: int
    times: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    count: int = 0
    flow: int = 0
    octets: int = 0
    answered: bool = False
    reported: bool = False


@dataclass(slots=True)
class _Device:
    """What one device is known for."""

    first: int
    learned: bool
    domains: dict[str, None] = field(default_factory=dict)
    places: dict[tuple[bytes, int], None] = field(default_factory=dict)
    rotating: dict[int, int] = field(default_factory=dict)
    recent_new: list[int] = field(default_factory=list)


@frozen
class Regularity:
    """How regular a series is: median interval in ns, median deviation as a part of it."""

    interval: int
    jitter: float
    steady: float


def regularity(times: deque[int]) -> Regularity:
    """Measure a series of three times or more; a missed beat counts as two half intervals."""
    gaps = [later - earlier for earlier, later in zip(times, list(times)[1:], strict=False)]
    middle = max(1, int(median(gaps)))
    folded = [gap / max(1, round(gap / middle)) if gap < 4.5 * middle else gap for gap in gaps]
    middle = max(1, int(median(folded)))
    jitter = median(abs(gap - middle) for gap in folded) / middle
    steady = sum(abs(gap - middle) <= 0.35 * middle for gap in folded) / len(folded)
    return Regularity(middle, jitter, steady)


@dataclass(slots=True)
class Beaconing:
    """Finds series of contacts with small jitter to a peer that is new and one device's alone.

    Regular contacts are what most devices do all day, so novelty decides: a peer that no device
    contacted while the network was learned, under a name that the device did not use, at addresses
    that its services did not use (Hu et al., BAYWATCH: Robust beaconing detection to identify
    infected hosts in large-scale enterprise networks, DSN 2016, filter likewise).

    Fails for beacons with random pauses, for those through services that the device used before,
    and in the first day of a device that joined later.
    """

    name: ClassVar[str] = "beaconing"
    summary: ClassVar[str] = "Beacons: contacts as regular as a clock with a peer that is new here."

    contacts: int = 20
    """Contacts that make a series; twenty intervals within a tenth of each other are no chance."""
    span_s: float = 1200.0
    """Time that a series covers at least: a start-up or a retry loop is regular for some minutes.
    """
    long_contacts: int = 12
    """Contacts that suffice where they cover `long_span_s`."""
    long_span_s: float = 7200.0
    """See `long_contacts`."""
    jitter: float = 0.12
    """Median deviation as a part of the median interval: a jitter of 20 percent, as tools set it by
    default, gives 0.10 when drawn evenly; people give 0.5 and more."""
    steady: float = 0.85
    """Part of the intervals within 35 percent of the median; networks lose and delay a few."""
    gap_s: float = 4.0
    """Packets closer than this belong to one contact."""
    longest_s: float = 21_600.0
    """Longest interval: slower ones need days."""
    settle_s: float = 3600.0
    """The first hour of watching is learned even where no model learns."""
    newcomer_s: float = 86_400.0
    """So long a device that joined after learning is only learned: a day shows its schedule."""
    rotating: int = 4
    """Addresses of one service that a device used while learned, from which on the service is taken
    to rotate its addresses."""
    curious: int = 32
    """New peers within a day from which on a device is one that people use; then only peers without
    a name or at other ports than the Web's count."""
    most_series: int = 4096
    """Series with state, 3 kB each when full: 12 MB at the worst."""
    most_known: int = 16_384
    """Peers that are remembered as known, about 150 bytes each."""
    most_devices: int = 1024
    """Devices with what they are known for."""

    _known: Recent[bytes, HostKey] = field(init=False, repr=False)
    _series: Recent[_Contact, _Series] = field(init=False, repr=False)
    _devices: Recent[HostKey, _Device] = field(init=False, repr=False)
    _users: Recent[bytes, HostKey] = field(init=False, repr=False)
    _shared: Recent[bytes, None] = field(init=False, repr=False)
    _names: NamesTable = field(init=False, repr=False)
    _settled: Lately[int] = field(init=False, repr=False)
    """Flows whose peers are known: they say nothing new, and are looked at once in a while."""
    _started: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._known = Recent(self.most_known)
        self._series = Recent(self.most_series)
        self._devices = Recent(self.most_devices)
        self._users = Recent(self.most_series)
        self._shared = Recent(self.most_series)
        self._names = NamesTable()
        self._settled = Lately(_MINUTE, self.most_known)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        tables = (self._known, self._series, self._devices, self._users, self._shared, self._names)
        return sum(table.dropped for table in tables)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        self._started = self._started or window.start
        learning = window.learning or window.start - self._started < self.settle_s * _SECOND
        for seen in window.observations:
            if seen.kind in {"dns", "tls", "http", "quic"}:
                self._note_name(seen)
        routers = mac_numbers(knowledge.routers)
        self._settled.pass_time(window.end)
        for row in self._outgoing(rows_of(window)):
            key = host_key(row.src, row.src_mac, home=True, routers=routers)
            finding = self._look_at(row, key, knowledge, learning=learning)
            if finding is not None:
                yield finding

    def _outgoing(self, rows: Rows) -> Iterator[Flow]:
        """Return flows from home to elsewhere, with packets in this window, that may say more."""
        flows = rows.flow_columns
        chosen = (flows["home"] == 1) & ((flows["event"] & Event.UPDATED) != 0)
        chosen &= (flows["protocol"] == _TCP) | (flows["protocol"] == _UDP)
        if self._settled.noted:
            chosen &= ~rows.flows_in(self._settled.noted)
        return rows.flows_where(chosen)

    def _note_name(self, seen: Observation) -> None:
        if seen.kind == "dns":
            self._names.observe(seen)
            return
        name = seen.fields.get("sni") or seen.fields.get("host")
        if not isinstance(name, str):
            return
        try:
            address = parse_address(seen.dst)
        except ValueError:
            return
        self._names.set_name(address, name.partition(":")[0])

    def _look_at(
        self, row: Flow, key: HostKey, knowledge: Knowledge, *, learning: bool
    ) -> Finding | None:
        if is_group(row.dst, row.dst_mac) or (row.protocol, row.dst_port) in _REGULAR:
            self._settled.add(row.id)
            return None
        device = self._devices.use(key)
        if device is None:
            device = self._devices.put(key, _Device(row.start, learned=learning))
        service = row.protocol << 16 | row.dst_port
        grace = not device.learned and row.last - device.first < self.newcomer_s * _SECOND
        if learning or grace:
            if learning:
                device.learned = True
            self._learn(device, row, service, key)
            self._settled.add(row.id)
            return None
        if self._known.get(row.dst) is not None or self._is_shared(row.dst, key):
            self._settled.add(row.id)
            return None
        contact: _Contact = (key, row.dst, service)
        series = self._series.use(contact)
        if series is None:
            if not row.event & Event.STARTED or not self._is_new(device, row, service):
                return None
            subject = explain.subject_of(row.src, row.src_mac, home=isinstance(key, int))
            series = self._series.put(contact, _Series(subject, row.start, 0))
            keep(device.recent_new, row.start, _NEW_PEERS)
        return self._beat(series, device, row, knowledge)

    def _learn(self, device: _Device, row: Flow, service: int, key: HostKey) -> None:
        if self._known.use(row.dst) is None:
            self._known.put(row.dst, key)
        elif not row.event & Event.STARTED:
            return
        place = (_network(row.dst), service)
        if place not in device.places and len(device.places) < 256:
            device.places[place] = None
            device.rotating[service] = device.rotating.get(service, 0) + 1
        name = self._names.name(row.dst)
        if name and len(device.domains) < 256:
            device.domains[registered_domain(name)] = None

    def _is_shared(self, peer: bytes, key: HostKey) -> bool:
        """Tell whether several devices contact a peer: then it is a service of the network."""
        if peer in self._shared:
            return True
        user = self._users.get(peer)
        if user is None:
            self._users.put(peer, key)
            return False
        if user != key:
            self._shared.put(peer, None)
            return True
        return False

    def _is_new(self, device: _Device, row: Flow, service: int) -> bool:
        if (_network(row.dst), service) in device.places:
            return False
        name = self._names.name(row.dst)
        if name:
            return registered_domain(name) not in device.domains
        return device.rotating.get(service, 0) < self.rotating

    def _beat(
        self, series: _Series, device: _Device, row: Flow, knowledge: Knowledge
    ) -> Finding | None:
        time = row.start if row.event & Event.STARTED else row.last
        series.octets += row.octets_sent + row.octets_received if row.event & Event.STARTED else 0
        series.answered = series.answered or bool(row.received)
        gap = time - series.active
        series.active = max(series.active, row.last)
        if series.count and gap < self.gap_s * _SECOND:
            return None
        series.times.append(time)
        series.count += 1
        return self._judge(series, device, row, knowledge)

    def _judge(
        self, series: _Series, device: _Device, row: Flow, knowledge: Knowledge
    ) -> Finding | None:
        times = series.times
        span = (times[-1] - series.first) / _SECOND
        enough = series.count >= self.contacts and span >= self.span_s
        slow = series.count >= self.long_contacts and span >= self.long_span_s
        if not (enough or slow):
            return None
        found = regularity(times)
        regular = found.jitter <= self.jitter and found.steady >= self.steady
        if not regular or found.interval > self.longest_s * _SECOND:
            return None
        name = self._names.name(row.dst)
        if not series.reported and self._is_curious(device, row.start):
            plain_web = row.dst_port in _WEB and name
            if plain_web:
                return None
        if name and registered_domain(name) in device.domains:
            return None
        series.reported = True
        return self._finding(series, row, found, name or "", knowledge)

    def _is_curious(self, device: _Device, now: int) -> bool:
        recent = device.recent_new
        return len(recent) >= self.curious and now - recent[0] <= 24 * _HOUR

    def _finding(
        self, series: _Series, row: Flow, found: Regularity, name: str, knowledge: Knowledge
    ) -> Finding:
        peer = format_address(row.dst)
        service = explain.service(row.protocol, row.dst_port)
        seconds = found.interval / _SECOND
        feature = Feature(
            "interval_jitter", round(found.jitter, 4), 0.3, 2.0, "1", 1.0, "deviation of intervals"
        )
        who = explain.label(series.subject, knowledge)
        place = f"{explain.clean(name, 48)} ({peer})" if name else f"{peer}, which has no name,"
        every = explain.duration(found.interval)
        took = explain.duration(max(1, series.times[-1] - series.first))
        percent = explain.number(round(found.jitter * 100, 1))
        words = [
            f"{who} contacts {place} by {service} every {every}, {series.count} times in {took}",
            f"intervals differ by {percent} %, normal for people is 30 to 200 %",
            "nobody here knew that peer before",
        ]
        return Finding(
            detector=self.name,
            key=f"{series.subject.device}/{peer}/{service}",
            severity=Severity.LOW if name and row.dst_port in _WEB else Severity.MEDIUM,
            score=max(0.0, 1.0 - found.jitter * 4),
            subject=series.subject,
            summary=explain.sentence(words),
            first_seen=series.first,
            last_seen=row.last,
            peers=(Peer(peer, services=(service,)),),
            peers_total=1,
            packets=series.count,
            evidence={
                "interval_seconds": round(seconds, 3),
                "jitter": round(found.jitter, 4),
                "contacts": series.count,
                "name": explain.clean(name),
                "octets": series.octets,
            },
            features=(feature,),
            spoofable=not series.answered,
        )


def _network(address: bytes) -> bytes:
    """Return the larger network of an address: /16 of IPv4, /32 of IPv6, as providers hold them."""
    return address[:14] if address[:12] == _MAPPED else address[:4]
