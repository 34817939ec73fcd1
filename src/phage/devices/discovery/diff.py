"""What is different between scans, and worth a notice.

One scan proves little: hosts sleep, packets are lost, whole scans fail. So a host or service counts
as gone only when it is away for longer than it ever was before, and only if it was always there; a
scan in which much is missing at once says something of the scan, not of the hosts. What was never
seen before is told at once. All thresholds are relative to what each host itself did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.records.scan import Change, ScanDiff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from phage.records.scan import Scan, ScanHost, Service

LEARNING = 8
"""Scans from the first sight of a host until a service of it is new: what it has shows itself by
and by."""

MEMORY = 64
"""Scans of which presence is remembered one by one."""

STEADY = 0.95
"""A host or service that was there in this share of scans is always there."""

LEAST_SCANS = 24
"""Scans before anything is said to be always there, or a host to be new to the network."""

LEARNING_NS = 86_400 * 1_000_000_000
"""And at least a day: some hosts come in the evening only."""

LEAST_GONE = 4
"""Scans in a row that show something gone, at least."""

GAP_FACTOR = 3
"""It is gone when it is away for more than this many times the longest gap there was."""

DOUBTFUL_SHARE = 0.1
DOUBTFUL_LEAST = 3
"""A scan misses too much when it misses more than this share of those that are always there."""

CHANGED_SCANS = 4
"""Scans in a row in which a service is another program, before that is told."""

MAX_HOSTS = 65_536
MAX_SERVICES = 1024
"""Services remembered of one host; one that has more open has all of them open."""

MAX_LABELS = 16
"""Programs that a service was seen to be: what it was once is nothing new."""


@dataclass(slots=True)
class Presence:
    """How something was there, scan by scan.

    `bits` holds the last MEMORY scans, the latest lowest; `missing` how many in a row it is away
    now, `longest` the longest gap that it came back from.
    """

    bits: int = 0
    scans: int = 0
    seen: int = 0
    missing: int = 0
    longest: int = 0
    told_gone: bool = False

    def see(self) -> bool:
        """Note that it was there; tell whether it had been told to be gone."""
        self.longest = max(self.longest, self.missing)
        self.missing = 0
        self.seen += 1
        self._note(1)
        back, self.told_gone = self.told_gone, False
        return back

    def miss(self) -> bool:
        """Note that it was not there; tell whether it is gone now, once."""
        self.missing += 1
        self._note(0)
        limit = max(LEAST_GONE, GAP_FACTOR * self.longest + 1)
        if self.told_gone or self.missing < limit or not self._was_steady():
            return False
        self.told_gone = True
        return True

    def _note(self, bit: int) -> None:
        self.bits = (self.bits << 1 | bit) & ((1 << MEMORY) - 1)
        self.scans += 1

    @property
    def is_steady(self) -> bool:
        """Tell whether it is always there."""
        known = min(self.scans, MEMORY)
        return self.scans >= LEAST_SCANS and self.bits.bit_count() >= STEADY * known

    def _was_steady(self) -> bool:
        """Tell whether it was always there before it went."""
        known = min(self.scans, MEMORY) - self.missing
        return known >= LEAST_SCANS and (self.bits >> self.missing).bit_count() >= STEADY * known


@dataclass(slots=True)
class ServiceMemory:
    """One service of a host: whether it is there, and which programs it was seen to be."""

    presence: Presence = field(default_factory=Presence)
    settled: str = ""
    labels: dict[str, int] = field(default_factory=dict)
    candidate: str = ""
    candidate_scans: int = 0

    def tell(self, label: str) -> str | None:
        """Note which program it is; return what it was before where that has changed."""
        if not label:
            return None
        known = label in self.labels
        self.labels[label] = self.labels.pop(label, 0) + 1
        if len(self.labels) > MAX_LABELS:
            del self.labels[next(iter(self.labels))]
        if not self.settled or label == self.settled:
            self.settled, self.candidate = label, ""
            return None
        if label != self.candidate:
            self.candidate, self.candidate_scans = label, 0 if not known else -CHANGED_SCANS
        self.candidate_scans += 1
        if self.candidate_scans < CHANGED_SCANS:
            return None
        before, self.settled, self.candidate = self.settled, label, ""
        return None if known and self.labels[label] > CHANGED_SCANS * 2 else before


@dataclass(slots=True)
class HostMemory:
    """One host, known by its MAC address where there is one, else by its address."""

    address: str
    mac: str = ""
    presence: Presence = field(default_factory=Presence)
    services: dict[str, ServiceMemory] = field(default_factory=dict)
    first_scan: int = 0
    told: bool = True
    """Its first sight was in the time of learning, or has been told."""


@dataclass
class DiffTracker:
    """Compares each scan with what is remembered of those before. Scans come in order of time.

    Attributes:
        hosts: What is remembered, by MAC address or address.
        scans: How many scans were taken in.
        began: When the first was, in nanoseconds since the Unix epoch.
        doubtful: Scans that missed too much to be believed.
        dropped: Hosts and services that found no room.
    """

    hosts: dict[str, HostMemory] = field(default_factory=dict)
    scans: int = 0
    began: int = 0
    doubtful: int = 0
    dropped: int = 0

    def take(
        self, scan: Scan, is_covered: Callable[[str], bool] = lambda _: True
    ) -> list[ScanDiff]:
        """Take in a scan; return what is worth a notice.

        `is_covered` tells whether an address was asked: what was not is not missing.
        """
        seen = {host.mac or host.address: host for host in scan.hosts}
        missing = [
            (key, known)
            for key, known in self.hosts.items()
            if key not in seen and is_covered(known.address)
        ]
        doubtful = self._is_doubtful(seen, [known for _, known in missing])
        self.doubtful += doubtful
        self.began = self.began or scan.started
        found = list(self._present(scan, seen, doubtful=doubtful))
        if not doubtful:
            for _, known in missing:
                if known.presence.miss():
                    found.append(_diff(scan, Change.DOWN, known))
        self.scans += 1
        return found

    def _is_doubtful(self, seen: Collection[str], missing: Iterable[HostMemory]) -> bool:
        steady = sum(known.presence.is_steady for known in self.hosts.values())
        # Those that are away anyway say nothing of this scan.
        gone = sum(known.presence.is_steady and not known.presence.missing for known in missing)
        return gone > max(DOUBTFUL_LEAST, DOUBTFUL_SHARE * steady) or (not seen and steady > 0)

    def _present(
        self, scan: Scan, seen: Mapping[str, ScanHost], *, doubtful: bool
    ) -> Iterator[ScanDiff]:
        for key, host in seen.items():
            known = self.hosts.get(key)
            if known is None:
                if len(self.hosts) >= MAX_HOSTS:
                    self.dropped += 1
                    continue
                known = HostMemory(host.address, host.mac, first_scan=self.scans)
                known.told = not self._has_learned(scan)
                self.hosts[key] = known
            elif not known.told:  # Seen twice: no stray answer.
                known.told = True
                yield _diff(scan, Change.ADD, known)
            known.address = host.address
            if known.presence.see():
                yield _diff(scan, Change.UP, known)
            yield from self._services(scan, known, host, doubtful=doubtful)

    def _has_learned(self, scan: Scan) -> bool:
        return self.scans >= LEAST_SCANS and scan.started - self.began >= LEARNING_NS

    def _services(
        self, scan: Scan, known: HostMemory, host: ScanHost, *, doubtful: bool
    ) -> Iterator[ScanDiff]:
        # One that is seldom here has shown what it has when it comes again.
        learned = known.presence.seen > 1 and self.scans - known.first_scan >= LEARNING
        open_now = {service.key: service for service in host.services if service.certain}
        for key, service in open_now.items():
            memory = known.services.get(key)
            if memory is None:
                if len(known.services) >= MAX_SERVICES:
                    self.dropped += 1
                    continue
                memory = known.services[key] = ServiceMemory()
                if learned:
                    yield _diff(scan, Change.ADD, known, key, after=_label(service) or "open")
            memory.presence.see()
            before = memory.tell(_label(service))
            if before is not None:
                yield _diff(scan, Change.CHANGE, known, key, before, memory.settled)
        if doubtful or not open_now:
            return  # None at all: the scan of the ports failed, or a firewall went up before it.
        for key, memory in known.services.items():
            if key not in open_now and _covers(scan, key) and memory.presence.miss():
                yield _diff(scan, Change.REMOVE, known, key, before=memory.settled or "open")

    # --- State ------------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """Return the memory as JSON can hold it."""
        return {
            "scans": self.scans,
            "began": self.began,
            "doubtful": self.doubtful,
            "hosts": [
                [key, host.address, host.mac, _packed(host.presence), [
                    [name, _packed(each.presence), each.settled, each.labels, each.candidate,
                     each.candidate_scans]
                    for name, each in host.services.items()
                ], host.first_scan, host.told]
                for key, host in self.hosts.items()
            ],
        }  # fmt: skip

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> DiffTracker:
        """Return the tracker that was saved; an empty one where nothing was."""
        tracker = cls()
        tracker.scans = int(saved.get("scans", 0))
        tracker.began = int(saved.get("began", 0))
        tracker.doubtful = int(saved.get("doubtful", 0))
        for key, address, mac, presence, services, first, told in saved.get("hosts", []):
            memory = {
                name: ServiceMemory(Presence(*own), settled, dict(labels), candidate, count)
                for name, own, settled, labels, candidate, count in services
            }
            tracker.hosts[key] = HostMemory(address, mac, Presence(*presence), memory, first, told)
        return tracker


def _packed(presence: Presence) -> list[int | bool]:
    return [
        presence.bits,
        presence.scans,
        presence.seen,
        presence.missing,
        presence.longest,
        presence.told_gone,
    ]


def _label(service: Service) -> str:
    return service.software or service.name


def _covers(scan: Scan, key: str) -> bool:
    protocol, _, number = key.partition("/")
    if protocol != "tcp" or not scan.covered:
        return not scan.covered
    return any(first <= int(number) <= last for first, last in scan.covered)


def _diff(
    scan: Scan, status: Change, host: HostMemory, service: str = "", before: str = "",
    after: str = "",
) -> ScanDiff:  # fmt: skip
    at = scan.ended or scan.started
    notice = status is not Change.REMOVE  # What is closed harms nobody.
    return ScanDiff(scan.id, at, status, host.address, host.mac, service, before, after, notice)
