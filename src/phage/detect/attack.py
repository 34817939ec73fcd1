"""Attacks: findings of one cause become one, which is opened, updated and closed.

Detectors report what they see, window by window. Here a report with a known key updates the finding
that is open; a report of lesser rank that shares parties and time with another is folded into it
(`anomaly` sees the same scan as `portscan`, and says less of it); what has been quiet for long
enough is closed. Everything depends on the findings and the windows' times only, so a replay gives
the same findings with the same ids.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phage.detect.belonging import belongs, may_belong, parties
from phage.detect.explain import counted, sentence
from phage.detect.tables import Distinct, Recent
from phage.frozen import frozen
from phage.records import Finding, FindingState, Peer, Severity, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECOND = 1_000_000_000


@frozen
class MergeSettings:
    """Spans and limits of merging.

    Attributes:
        quiet_s: Seconds without news after which a finding of a detector is closed.
        default_quiet_s: The same for detectors that are not named.
        before_s: A lesser finding that opened this long before another can still be its herald: a
            score rises with the first packets, a count has to grow first.
        after_s: A lesser finding that opens this long after the last packet of another is its echo:
            slow statistics keep an attack in memory for a minute or two.
        update_s: A finding's news is passed on at most once in this many seconds; its severity at
        once.
        most_open: Findings open at a time, over all detectors: bounds memory and a reader's
        patience.
        most_open_each: The same of one detector; further ones are counted in one finding.
        most_peers: Peers that are listed.
    """

    quiet_s: Mapping[str, float] = field(
        default_factory=lambda: {
            # A slow scan sends a probe every minute or so.
            "portscan": 600.0,
            # Tools wait after failures, and lock-out times are some minutes.
            "bruteforce": 600.0,
            # Poisoners repeat themselves every 1 to 60 s.
            "arpspoof": 300.0,
            "dnstunnel": 300.0,
            # Some beacons come once an hour.
            "beaconing": 7200.0,
            "synflood": 60.0,
            # Pulses come back within a minute.
            "volumetric": 60.0,
            # Guessing at the pace of one login in twenty minutes is found in logs.
            "loginfail": 3600.0,
            "webprobe": 600.0,
            "idsalert": 600.0,
            "anomaly": 600.0,
            "deviation": 3600.0,
        }
    )
    default_quiet_s: float = 300.0
    before_s: float = 60.0
    after_s: float = 120.0
    update_s: float = 1.0
    most_open: int = 1024
    most_open_each: int = 256
    most_peers: int = 32


@dataclass(slots=True)
class _Entry:
    """One attack: its finding as it stands."""

    finding: Finding
    reported: int
    base_packets: int = 0
    last_packets: int = 0
    is_new: bool = True
    is_dirty: bool = True
    folded: dict[str, None] = field(default_factory=dict)
    own: Mapping[str, object] = field(default_factory=dict)
    added: Mapping[str, object] = field(default_factory=dict)
    more: Distinct[str] | None = None


def attack_id(detector: str, key: str, first_seen: int) -> str:
    """Return the id of an attack: the same in every replay of the same packets."""
    text = f"{detector}|{key}|{first_seen}".encode("utf-8", "backslashreplace")
    return hashlib.blake2s(text, digest_size=8).hexdigest()


class Attacks:
    """The attacks that are open; merges what detectors report into them."""

    def __init__(self, settings: MergeSettings | None = None) -> None:
        self.settings = settings or MergeSettings()
        self.dropped = 0
        self._open: dict[tuple[str, str], _Entry] = {}
        # Folded keys, and whose finding they went into. Bounded: a lost alias opens a finding
        # again.
        self._aliases: Recent[tuple[str, str], tuple[str, str]] = Recent(4096)
        # What was closed lately: echoes go there, and a new finding must begin after it.
        self._closed: Recent[tuple[str, str], Finding] = Recent(1024)
        self._checked = 0

    @property
    def open(self) -> tuple[Finding, ...]:
        """The findings that are open, as they stand."""
        return tuple(entry.finding for entry in self._open.values())

    @property
    def named(self) -> frozenset[str]:
        """Addresses of all whom open findings name, those of `anomaly` left out."""
        names: set[str] = set()
        for (detector, _), entry in self._open.items():
            if detector != "anomaly":
                names.update(*parties(entry.finding))
        return frozenset(names)

    def merge(self, findings: Iterable[Finding], now: int) -> list[Finding]:
        """Take a window's reports; return the findings that were opened, updated or closed.

        A finding with the state `merged` was open under its own id and became a part of the one
        that its `related` names.
        """
        changed: list[Finding] = []
        for finding in sorted(findings, key=_order):
            self._take(finding, changed, now)
        if self._open:
            self._pass_on(changed, now)
            self._close_quiet(changed, now)
        return changed

    def finish(self, now: int) -> list[Finding]:
        """Close everything: the input has ended."""
        changed: list[Finding] = []
        for key in list(self._open):
            self._close(key, changed)
        self._checked = now
        return changed

    def _take(self, finding: Finding, changed: list[Finding], now: int) -> None:
        key = (finding.detector, finding.key)
        entry = self._open.get(key)
        if entry is None:
            alias = self._aliases.use(key)
            if alias is not None and self._echo(finding, alias):
                return
            host = self._host_of(finding)
            if host is not None:
                self._fold(finding, host)
                return
            entry = self._open_new(finding, changed, now)
        else:
            self._update(entry, finding)
        if entry.is_new or entry.is_dirty:
            self._announce(entry, changed, now, at_once=False)

    def _echo(self, finding: Finding, alias: tuple[str, str]) -> bool:
        """Tell whether a folded finding's news still belongs to where it went."""
        host = self._open.get(alias)
        if host is not None:
            self._add_evidence(host, finding)
            return True
        closed = self._closed.get(alias)
        reach = self.settings.after_s * _SECOND
        return closed is not None and finding.last_seen <= closed.last_seen + reach

    def _belongs(self, lesser: Finding, other: Finding) -> bool:
        return belongs(lesser, other, self.settings.before_s, self.settings.after_s)

    def _host_of(self, finding: Finding) -> tuple[str, str] | None:
        """Find the attack that a lesser finding is a part of."""
        if not may_belong(finding):
            return None
        best: tuple[int, tuple[str, str]] | None = None
        candidates = [(key, entry.finding) for key, entry in self._open.items()]
        candidates += self._closed.items()
        for key, other in candidates:
            if self._belongs(finding, other):
                distance = abs(finding.first_seen - other.first_seen)
                if best is None or (distance, key) < best:
                    best = (distance, key)
        return best[1] if best is not None else None

    def _fold(self, finding: Finding, host: tuple[str, str]) -> None:
        self._aliases.put((finding.detector, finding.key), host)
        entry = self._open.get(host)
        if entry is not None:
            self._note_folded(entry, f"{finding.detector}:{finding.key}")
            self._add_evidence(entry, finding)

    @staticmethod
    def _add_evidence(entry: _Entry, finding: Finding) -> None:
        """Let a flood be told with its vectors, rates and filters, as its volume tells them."""
        if finding.detector == "volumetric":
            entry.added = finding.evidence
            evidence = {**finding.evidence, **entry.own}
            entry.finding = replace(entry.finding, evidence=evidence)

    def _note_folded(self, entry: _Entry, name: str) -> None:
        if name in entry.folded or len(entry.folded) >= self.settings.most_peers:
            return
        entry.folded[name] = None
        entry.finding = replace(entry.finding, related=(*entry.finding.related, name))
        entry.is_dirty = True

    def _open_new(self, finding: Finding, changed: list[Finding], now: int) -> _Entry:
        key = (finding.detector, finding.key)
        closed = self._closed.pop(key)
        first = finding.first_seen
        if closed is not None and first <= closed.last_seen:
            first = max(finding.last_seen, closed.last_seen + 1)
        identity = attack_id(finding.detector, finding.key, first)
        taken = self._take_over(finding, changed)
        if taken is not None:
            identity = taken.id
            first = min(first, taken.first_seen)
        elif self._is_full(finding.detector):
            return self._overflow(finding, now)
        peers = finding.peers[: self.settings.most_peers]
        opened = replace(
            finding,
            id=identity,
            first_seen=first,
            state=FindingState.OPEN,
            peers=peers,
            peers_total=max(finding.peers_total, len(peers)),
        )
        entry = _Entry(opened, reported=now, last_packets=finding.packets, own=finding.evidence)
        if taken is not None:
            name = f"{taken.detector}:{taken.key}"
            entry.folded = dict.fromkeys((*taken.related, name))
            entry.finding = replace(opened, related=tuple(entry.folded))
            self._add_evidence(entry, taken)
        self._open[key] = entry
        self._relate(entry)
        return entry

    def _take_over(self, finding: Finding, changed: list[Finding]) -> Finding | None:
        """Fold open lesser findings into a new one; return the first: its id is inherited."""
        heralds = [
            (entry.finding.first_seen, key)
            for key, entry in self._open.items()
            if entry.more is None and self._belongs(entry.finding, finding)
        ]
        first: Finding | None = None
        for _, key in sorted(heralds):
            herald = self._open.pop(key).finding
            self._aliases.put(key, (finding.detector, finding.key))
            if first is None:
                first = herald
            else:
                changed.append(replace(herald, state=FindingState.MERGED, related=(first.id,)))
        return first

    def _relate(self, entry: _Entry) -> None:
        """Let attacks of the same subject at the same time name each other."""
        own, _ = parties(entry.finding)
        for other in self._open.values():
            if other is entry or not own & parties(other.finding)[0] or other.more is not None:
                continue
            for one, two in ((entry, other), (other, entry)):
                related = one.finding.related
                if two.finding.id not in related and len(related) < self.settings.most_peers:
                    one.finding = replace(one.finding, related=(*related, two.finding.id))
                    one.is_dirty = True

    def _is_full(self, detector: str) -> bool:
        if len(self._open) >= self.settings.most_open:
            return True
        same = sum(1 for name, _ in self._open if name == detector)
        return same >= self.settings.most_open_each

    def _overflow(self, finding: Finding, now: int) -> _Entry:
        """Count a finding that is one too many in one finding for all of these."""
        self.dropped += 1
        key = (finding.detector, "more")
        entry = self._open.get(key)
        if entry is None:
            start = replace(
                finding,
                key="more",
                id=attack_id(finding.detector, "more", finding.first_seen),
                subject=Subject(),
                peers=(),
                peers_total=0,
                features=(),
                severity=Severity.MEDIUM,
                state=FindingState.OPEN,
                spoofable=True,
                related=(),
            )
            entry = _Entry(start, reported=now, more=Distinct(4096))
            self._open[key] = entry
        more = entry.more if entry.more is not None else Distinct(4096)
        more.add(finding.key, finding.last_seen)
        known = len(more)
        count = (
            f"at least {counted(known, 'finding')}" if more.dropped else counted(known, "finding")
        )
        words = (
            f"Besides the findings listed, {finding.detector} has {count} more, by as many causes"
        )
        entry.finding = replace(
            entry.finding,
            count=entry.finding.count + 1,
            last_seen=max(entry.finding.last_seen, finding.last_seen),
            packets=entry.finding.packets + finding.packets,
            summary=sentence([words]),
            evidence={"kind": "more", "findings": known},
        )
        entry.is_dirty = True
        return entry

    def _update(self, entry: _Entry, finding: Finding) -> None:
        old = entry.finding
        if finding.packets < entry.last_packets:
            # The detector began to count anew: what it counted before still happened.
            entry.base_packets += entry.last_packets
        entry.last_packets = finding.packets
        severity = finding.severity if finding.severity.rank > old.severity.rank else old.severity
        peers = _union(old.peers, finding.peers, self.settings.most_peers)
        entry.own = finding.evidence
        entry.finding = replace(
            finding,
            evidence={**entry.added, **finding.evidence} if entry.added else finding.evidence,
            id=old.id,
            first_seen=min(old.first_seen, finding.first_seen) if entry.is_new else old.first_seen,
            last_seen=max(old.last_seen, finding.last_seen),
            severity=severity,
            score=max(old.score, finding.score),
            peers=peers,
            peers_total=max(old.peers_total, finding.peers_total, len(peers)),
            packets=entry.base_packets + finding.packets,
            features=finding.features or old.features,
            count=old.count + finding.count,
            capture=finding.capture or old.capture,
            related=old.related,
            state=FindingState.OPEN,
        )
        entry.is_dirty = True
        if severity is not old.severity:
            entry.reported = 0

    def _announce(self, entry: _Entry, changed: list[Finding], now: int, *, at_once: bool) -> None:
        due = now - entry.reported >= self.settings.update_s * _SECOND
        if not (entry.is_new or at_once or due):
            return
        entry.is_new = False
        entry.is_dirty = False
        entry.reported = now
        changed.append(entry.finding)

    def _pass_on(self, changed: list[Finding], now: int) -> None:
        for entry in self._open.values():
            if entry.is_dirty:
                self._announce(entry, changed, now, at_once=False)

    def _close_quiet(self, changed: list[Finding], now: int) -> None:
        # Quiet times are minutes: looking once a second is often enough.
        if 0 <= now - self._checked < _SECOND:
            return
        self._checked = now
        settings = self.settings
        for key, entry in list(self._open.items()):
            quiet = settings.quiet_s.get(key[0], settings.default_quiet_s)
            if now - entry.finding.last_seen > quiet * _SECOND:
                self._close(key, changed)

    def _close(self, key: tuple[str, str], changed: list[Finding]) -> None:
        entry = self._open.pop(key)
        closed = replace(entry.finding, state=FindingState.CLOSED)
        self._closed.put(key, closed)
        changed.append(closed)


def _order(finding: Finding) -> tuple[bool, str, str, int, str]:
    """Sort reports so that those that name their attack come before those that are folded."""
    return (
        finding.detector == "anomaly",
        finding.detector,
        finding.key,
        finding.last_seen,
        finding.summary,
    )


def _union(old: tuple[Peer, ...], new: tuple[Peer, ...], limit: int) -> tuple[Peer, ...]:
    if old == new:
        return old
    known = {(peer.ip, peer.mac): peer for peer in old}
    for peer in new:
        place = (peer.ip, peer.mac)
        before = known.get(place)
        if before is None:
            if len(known) < limit:
                known[place] = peer
        elif before.services != peer.services:
            services = tuple(dict.fromkeys((*before.services, *peer.services)))[:limit]
            known[place] = Peer(peer.ip, peer.mac, services)
    return tuple(known.values())
