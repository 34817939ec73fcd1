"""Finds what is unlike a device: surprise gathered over time, against a budget of alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.detector import CatalogEntry, Knowledge
from phage.detect.meaning import Reading, phrases, read
from phage.detect.rows import Score, rows_of
from phage.detect.tables import Distinct, Recent, Unlisted
from phage.learn.calibrate import AlarmBudget
from phage.records import Feature, Finding, Peer, Severity, Subject, Window
from phage.records.address import format_address, format_mac
from phage.records.columns import NO_FEATURE

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECOND = 1_000_000_000
_SHOWN = 16
# What the mean of surprises (the logarithm of the geometric mean of probabilities) loses when it is
# to be a probability again, whatever the dependence of the packets: a factor of e (Vovk and Wang,
# Combining p-values via averaging, Biometrika 107(4), 2020).
_MEAN_COSTS = math.log10(math.e)


@dataclass(slots=True)
class _Device:
    """What one device has gathered."""

    time: int
    before: float = 0.0
    """Evidence of the seconds before the one that runs."""
    second: int = 0
    brought: float = -math.inf
    """What the second that runs has brought so far."""
    evidence: float = 0.0
    level: float = 0.0
    rising: int = 0
    last: int = 0
    is_open: bool = False
    opened: int = 0
    highest: float = 0.0
    confirmed: bool = False
    packets: int = 0
    strongest: tuple[float, Score, Reading] | None = None
    peers: dict[str, dict[str, None]] = field(default_factory=dict)
    more: Unlisted = field(default_factory=Unlisted)
    """Peers that are not listed."""
    noted: int = 0
    leader: str = ""
    """Whose finding this device's episode is a part of."""
    together: dict[str, None] = field(default_factory=dict)
    """Devices whose episodes are a part of this one's finding."""


@dataclass(slots=True)
class _Moved:
    """A row that brought something, and what it means."""

    name: str
    device: _Device
    row: Score
    moved: bool


def window_evidence(packets: int, surprise: float, total: float) -> float:
    """Return how unlikely a window's scores are together, as -log10 of a probability.

    The packets of a window are one observation: they follow one another and their features are
    averages over seconds, so nothing is summed. The better of two bounds that hold whatever their
    dependence: the highest surprise less the number of packets that could have had it (Bonferroni),
    and the mean surprise less log10(e).
    """
    if packets <= 0:
        return 0.0
    return max(0.0, surprise - math.log10(packets), total / packets - _MEAN_COSTS)


@dataclass(slots=True)
class Anomaly:
    """Finds episodes in which a device's packets surprise more than its budget allows.

    The evidence of a window is how unlikely its packets are, times how far the features that mean
    something (`phage.detect.meaning`) lie above the device's normal range; without such a feature
    it is nothing. The best window of each second, less what unlucky ones bring, is summed (Page,
    Continuous inspection schemes, Biometrika 1954) and decays. The level is set by
    `phage.learn.calibrate`, so that normal operation exceeds it as often as the owner accepts.
    Devices that stir within two minutes of one another have one cause: they become one finding,
    of the first.
    Nothing is reported while the model learns.

    Fails for attacks that look like what the device does, for those that were there while it was
    learned, and for those that consist in silence.
    """

    name: ClassVar[str] = "anomaly"
    summary: ClassVar[str] = (
        "Behaviour unlike the device's own, by scores gathered up to an alarm budget."
    )

    drift: float = 1.2
    """Evidence that a second may bring and leave nothing: what one packet in forty brings at
    twice the normal range."""
    most_a_second: float = 12.0
    """Evidence of one second at most: what a single surprise can say."""
    half_life_s: float = 120.0
    """Evidence decays by half: the steps of an attack are seconds to minutes apart."""
    most_levels: float = 4.0
    """Times the level that evidence is remembered: an episode ends within minutes of its last."""
    calm: float = 0.5
    """Part of the level below which an episode ends."""
    together_s: float = 120.0
    """Devices that stir so soon after another have one cause, like an outage of the router ..."""
    own_levels: float = 3.0
    """... but for one whose evidence is so many times its level."""
    young: float = 2.0
    """Times the level for a device that has no profile of its own yet."""
    most_devices: int = 4096
    """Devices with state, about 1 kB each."""
    calibration: AlarmBudget = field(default_factory=AlarmBudget)
    """Where the level comes from."""

    _devices: Recent[str, _Device] = field(init=False, repr=False)
    _strangers: Distinct[int] = field(init=False, repr=False)
    _leader: str = field(default="", init=False, repr=False)
    _leads_until: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._devices = Recent(self.most_devices)
        self._strangers = Distinct(1024)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        return self._devices.dropped + self.calibration.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        rows = [
            row
            for row in rows_of(window).scores
            if math.isfinite(row.surprise) and math.isfinite(row.total)
        ]
        for row in rows:
            if not row.mature and row.device_mac:
                self._strangers.refresh(row.device_mac, row.time)
        moved = [self._gather(row, window, knowledge) for row in rows]
        # Of several that rise in one window the strongest goes first: the others may be its echo.
        moved.sort(key=lambda one: (-one.device.evidence / one.device.level, one.name))
        for one in moved:
            finding = self._judge(one, window, knowledge)
            if finding is not None:
                yield finding

    def _gather(self, row: Score, window: Window, knowledge: Knowledge) -> _Moved:
        name = format_mac(row.device_mac) or format_address(row.device_address)
        device = self._devices.use(name)
        if device is None:
            device = self._devices.put(name, _Device(time=row.time))
        elif device.is_open:
            self._end_if_calm(name, device, row.time)
        moved = self._add(device, row, knowledge)
        level = self.calibration.level(name, knowledge.budget, row.time)
        device.level = level if row.mature else level * self.young
        device.evidence = min(device.evidence, self.most_levels * device.level)
        # What lies above the level is no example of what is normal.
        self.calibration.observe(name, row.time, min(device.evidence, level))
        if window.learning:
            device.evidence = min(device.evidence, level)
        return _Moved(name, device, row, moved)

    def _add(self, device: _Device, row: Score, knowledge: Knowledge) -> bool:
        """Add a row to a device's evidence; tell whether it brought any."""
        own = bool(row.src == row.device_address or (row.src_mac == row.device_mac != 0))
        if row.mature and row.device_mac in self._strangers:
            self._strangers.discard(row.device_mac)
        other = row.dst_mac if own else row.src_mac
        # Every newcomer asks the router for something.
        routed = format_mac(row.device_mac) in knowledge.routers
        stranger = other in self._strangers and other != row.device_mac and not routed
        reading = read(row, knowledge.catalog, stranger=stranger)
        strength = window_evidence(row.packets, row.surprise, row.total) * reading.size / 2.0
        brought = min(strength, self.most_a_second) - self.drift
        second = row.time // _SECOND
        if second > device.second:
            device.before = device.evidence * self._kept(device, row.time)
            device.second = second
            device.brought = -math.inf
            device.time = max(device.time, row.time)
        device.brought = max(device.brought, brought)
        device.evidence = max(0.0, device.before + device.brought)
        if device.evidence <= 0.0 or device.before < 0.1:
            device.rising = row.time
            if not device.is_open:
                self._forget(device)
        if brought <= 0.0:
            return False
        self._remember(device, row, strength, reading, own=own)
        return True

    def _forget(self, device: _Device) -> None:
        device.packets = 0
        device.highest = 0.0
        device.strongest = None
        device.peers, device.more = {}, Unlisted()

    def _remember(
        self, device: _Device, row: Score, strength: float, reading: Reading, *, own: bool
    ) -> None:
        device.last = max(device.last, row.time)
        device.packets += row.packets
        if device.strongest is None or strength > device.strongest[0]:
            device.strongest = (strength, row, reading)
        peer = format_address(row.dst if own else row.src)
        if not peer:
            return
        services = device.peers.get(peer)
        if services is None:
            if len(device.peers) >= _SHOWN:
                device.more.add(peer)
                return
            services = device.peers[peer] = {}
        if len(services) < 4:
            services[explain.service(row.protocol, row.dst_port)] = None

    def _judge(self, one: _Moved, window: Window, knowledge: Knowledge) -> Finding | None:
        """Open, keep or end a device's episode, and report it."""
        device, time = one.device, one.row.time
        if window.learning:
            device.is_open = False
            return None
        if not device.is_open:
            if device.evidence < device.level or not one.moved:
                return None
            self._open(one)
        elif device.evidence < device.level * self.calm:
            self._end(one.name, device, time)
            return None
        if one.moved and self._leader == one.name:
            self._leads_until = time + round(self.together_s * _SECOND)
        device.highest = max(device.highest, device.evidence)
        device.confirmed |= one.name in knowledge.attacked or (
            format_address(one.row.device_address) in knowledge.attacked
        )
        if device.last <= device.noted or device.strongest is None:
            return None
        device.noted = time
        return self._report(one, device.strongest, knowledge)

    def _open(self, one: _Moved) -> None:
        device, time = one.device, one.row.time
        device.is_open = True
        device.confirmed = False
        device.opened = device.rising or time
        device.highest = device.evidence
        device.leader = ""
        device.together = {}
        leader = self._devices.get(self._leader) if self._leader != one.name else None
        if leader is not None and leader.is_open and time <= self._leads_until:
            device.leader = self._leader
            if len(leader.together) < _SHOWN:
                leader.together[one.name] = None
                leader.last = max(leader.last, time)
        else:
            self._leader = one.name

    def _end_if_calm(self, name: str, device: _Device, now: int) -> None:
        """End an episode that has decayed since the device's last row."""
        left = device.evidence * self._kept(device, now)
        if left < device.level * self.calm:
            self._end(name, device, now)

    def _kept(self, device: _Device, now: int) -> float:
        passed = max(0, now - device.time) / _SECOND
        return float(0.5 ** min(passed / self.half_life_s, 1000.0))

    def _end(self, name: str, device: _Device, now: int) -> None:
        # What was a part of another's finding was no alarm of its own.
        if not device.confirmed and not device.leader:
            self.calibration.spend(name, device.last, device.highest)
        device.is_open = False
        device.rising = now
        device.leader = ""
        self._forget(device)

    def _report(
        self, one: _Moved, strongest: tuple[float, Score, Reading], knowledge: Knowledge
    ) -> Finding | None:
        device = one.device
        _, row, reading = strongest
        excess = device.highest / max(device.level, 1e-9)
        if device.leader and excess >= self.own_levels and not self._with_leader(device, row):
            device.leader = ""
        if device.leader:
            return None
        subject = Subject(
            mac=format_mac(row.device_mac),
            ip=format_address(row.device_address),
            device=one.name,
        )
        peers = tuple(Peer(ip, services=tuple(services)) for ip, services in device.peers.items())
        return Finding(
            detector=self.name,
            key=subject.device,
            severity=self._severity(device, row, reading, excess),
            score=1.0 - 0.5 ** min(excess, 60.0),
            subject=subject,
            summary=_sentence(subject, device, row, reading, knowledge),
            first_seen=min(device.opened, device.last),
            last_seen=device.last,
            peers=peers,
            peers_total=max(len(device.peers) + device.more.total, len(peers)),
            packets=device.packets,
            evidence={
                "evidence": round(device.highest, 2),
                "level": round(device.level, 2),
                "highest_surprise": round(float(row.surprise), 2),
                "packet": row.packet,
                "network": _finite(row.network),
                "own": _finite(row.own),
                "mature": bool(row.mature),
                "together": list(device.together),
            },
            features=tuple(_features(row, reading, knowledge.catalog)),
            # Scores judge single packets, and anyone can send one in another's name.
            spoofable=True,
        )

    def _with_leader(self, device: _Device, row: Score) -> bool:
        """Tell whether a device's strongest row is its traffic with its leader."""
        leader = self._devices.get(device.leader)
        if leader is None or leader.strongest is None:
            return False
        other = leader.strongest[1]
        return other.device_address in {row.src, row.dst} and row.device_address != bytes(16)

    def _severity(self, device: _Device, row: Score, reading: Reading, excess: float) -> Severity:
        # Most that is received was asked for: an update, a film.
        if not row.mature or reading.inbound:
            return Severity.LOW
        lasting = device.last - device.opened >= 10 * _SECOND
        if excess >= 0.9 * self.most_levels and lasting:
            return Severity.HIGH
        return Severity.MEDIUM


def _finite(value: float) -> float:
    return round(float(value), 2) if math.isfinite(value) else 0.0


def _features(row: Score, reading: Reading, catalog: tuple[CatalogEntry, ...]) -> Iterator[Feature]:
    """Make features of a row, those that mean something first."""
    rest = (place for place in range(len(row.features)) if place not in reading.order)
    for place in (*reading.order, *rest):
        index, weight = row.features[place], row.weights[place]
        if index == NO_FEATURE or not (math.isfinite(weight) and weight > 0.0):
            continue
        entry = (
            catalog[index] if index < len(catalog) else CatalogEntry(f"feature_{index}", "1", "")
        )
        yield Feature(
            entry.name,
            _finite_or_zero(row.values[place]),
            _finite_or_zero(row.low[place]),
            _finite_or_zero(row.high[place]),
            entry.unit,
            float(weight),
            entry.meaning,
        )


def _finite_or_zero(value: float) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _sentence(
    subject: Subject, device: _Device, row: Score, reading: Reading, knowledge: Knowledge
) -> str:
    who = explain.label(subject, knowledge)
    words = " and ".join(phrases(row, knowledge.catalog, reading))
    took = explain.duration(max(1, device.last - device.opened))
    parts = [f"{who} {words}", f"unlike itself for {took}"]
    if device.together:
        others = explain.counted(len(device.together), "other device")
        parts.append(f"at the same time {others} changed as well")
    return explain.sentence(parts)
