"""Finds who has to do with what threat intelligence names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.detector import Exports
from phage.detect.parties import known_subject, mac_numbers
from phage.detect.tables import Recent, Unlisted
from phage.frozen import frozen
from phage.intel.seen import shown
from phage.records import Finding, Observation, Peer, Severity, Subject, Window
from phage.records.address import format_address, format_mac
from phage.records.indicator import IndicatorKind, Mention

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Intelligence, Knowledge

_SECOND = 1_000_000_000
_TCP = 6
_MOST_PEERS = 32


@dataclass(slots=True)
class _Case:
    """One subject and one indicator."""

    subject: Subject
    mentions: tuple[Mention, ...]
    way: str
    first: int
    last: int
    times: int = 0
    spoofable: bool = True
    peers: dict[str, Peer] = field(default_factory=dict)
    more: Unlisted = field(default_factory=Unlisted)
    sample: str = ""

    @property
    def total(self) -> int:
        """How many peers there were."""
        return len(self.peers) + self.more.total


@frozen
class _Meeting:
    """One packet or message that met an indicator."""

    subject: Subject
    mentions: tuple[Mention, ...]
    way: str
    time: int
    peer: Peer
    sample: str = ""
    spoofable: bool = False


@dataclass(slots=True)
class IntelMatch:
    """Tells each device that talks to a listed address, or asks for a listed name, and why.

    Also of listed URLs in HTTP, fingerprints (JA3, JA4), and certificates of servers, which TLS 1.3
    hides: of what is encrypted nobody sees it.

    A device of ours that turns to a listed address is a sign that it was taken over; a listed
    address that turns to us is what happens to everybody, and tells only who it is.

    Fails where lists do: addresses change hands within days, and one address can have thousands of
    users.
    """

    name: ClassVar[str] = "intelmatch"
    of_exports: ClassVar[Exports] = Exports.ALL
    summary: ClassVar[str] = (
        "Addresses, names, URLs, fingerprints and certificates that threat intelligence names."
    )

    least: int = 25
    """Confidence (0 to 100) below which a match is no finding."""
    incoming: bool = True
    """Tell also of listed addresses that turn to us."""
    quiet_s: float = 3600.0
    """What rested for so long is over."""
    most: int = 4096
    """Subjects and indicators with state, about 1 kB each."""

    _cases: Recent[str, _Case] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the table."""
        self._cases = Recent(self.most)

    @property
    def dropped(self) -> int:
        """How many entries the table had to drop so far."""
        return self._cases.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        known = knowledge.intelligence
        if known is None:
            return
        routers = mac_numbers(knowledge.routers)
        met = [*self._addresses(window, known, routers), *_shown(window, known, routers)]
        met.sort(key=lambda each: (each.time, each.subject.device, each.mentions[0].value))
        changed: dict[str, _Case] = {}
        for each in met:
            if _confidence(each.mentions) >= self.least:
                key = f"{each.subject.device}|{each.mentions[0].value}|{each.way}"
                changed[key] = self._take(key, each)
        for key, case in changed.items():
            yield self._finding(key, case, knowledge)

    def _addresses(
        self, window: Window, known: Intelligence, routers: frozenset[int]
    ) -> Iterator[_Meeting]:
        for row in window.matches:
            begins, is_source = not row["reverse"], not row["end"]
            src, dst = row["src"].tobytes(), row["dst"].tobytes()
            listed, other = (src, dst) if is_source else (dst, src)
            mentions = known.address(listed)
            # Who began: the sender of a packet that is not an answer, else its receiver.
            incoming = bool(begins) == is_source
            if not mentions or (incoming and not self.incoming):
                continue
            mac = int(row["dst_mac"] if is_source else row["src_mac"])
            own = known_subject(format_address(other), format_mac(mac), routers)
            place = format_address(listed)
            port = int(row["dst_port"] if begins else row["src_port"])
            services = (explain.service(int(row["protocol"]), port),)
            if incoming:
                subject, peer = known_subject(place, "", routers), Peer(own.ip, own.mac, services)
            else:
                subject, peer = own, Peer(place, "", services)
            # An answer tells that the source is who it says; the first packet does not.
            spoofable = incoming and bool(begins)
            way = "from" if incoming else "to"
            yield _Meeting(subject, mentions, way, int(row["time"]), peer, place, spoofable)

    def _take(self, key: str, met: _Meeting) -> _Case:
        case = self._cases.use(key)
        if case is None or met.time - case.last > self.quiet_s * _SECOND:
            case = _Case(met.subject, met.mentions, met.way, met.time, met.time, sample=met.sample)
            self._cases.put(key, case)
        case.last = max(case.last, met.time)
        case.times += 1
        case.spoofable &= met.spoofable
        case.mentions = met.mentions
        if met.peer.ip and met.peer.ip not in case.peers:
            if len(case.peers) < _MOST_PEERS:
                case.peers[met.peer.ip] = met.peer
            else:
                case.more.add(met.peer.ip)
        return case

    def _finding(self, key: str, case: _Case, knowledge: Knowledge) -> Finding:
        sure = _confidence(case.mentions)
        feeds = list(dict.fromkeys(mention.feed for mention in case.mentions))
        best = max(case.mentions, key=lambda each: (each.confidence, each.feed))
        return Finding(
            detector=self.name,
            key=key,
            severity=_severity(case.way, sure),
            score=sure / 100,
            subject=case.subject,
            summary=_sentence(case, best, feeds, knowledge),
            first_seen=case.first,
            last_seen=case.last,
            peers=tuple(case.peers.values()),
            peers_total=case.total,
            packets=case.times,
            evidence={
                "kind": "intel",
                "direction": case.way,
                "indicator": explain.escaped(best.value, 120),
                "indicator_kind": str(best.kind),
                "seen": explain.escaped(case.sample, 120),
                "feeds": feeds[:16],
                "confidence": sure,
                "tags": [explain.escaped(tag) for tag in best.tags[:8]],
                "description": explain.escaped(best.description, 120),
            },
            spoofable=case.spoofable,
        )


def _shown(window: Window, known: Intelligence, routers: frozenset[int]) -> Iterator[_Meeting]:
    """Yield names and URLs that were asked for, fingerprints of who called and was called."""
    for seen in window.observations:
        for kind, value, by_server in shown(seen):
            is_name = kind is IndicatorKind.DOMAIN
            mentions = known.domain(value) if is_name else known.value(kind, value)
            if mentions:
                yield _said(seen, mentions, routers, value, by_server=by_server)


def _said(
    seen: Observation,
    mentions: tuple[Mention, ...],
    routers: frozenset[int],
    sample: str,
    *,
    by_server: bool,
) -> _Meeting:
    who, mac, place = seen.src, seen.src_mac, seen.dst
    port = seen.dst_port
    if by_server:
        who, mac, place, port = seen.dst, seen.dst_mac, seen.src, seen.src_port
    peer = Peer(place, "", (explain.service(seen.protocol, port),))
    return _Meeting(
        known_subject(who, mac, routers),
        mentions,
        "server" if by_server else "name",
        seen.time,
        peer,
        sample,
        # Anyone can send a question over UDP in another's name.
        spoofable=seen.protocol != _TCP,
    )


def _confidence(mentions: tuple[Mention, ...]) -> int:
    """Return how sure all feeds are together, as if each erred by itself."""
    doubt = 1.0
    for mention in mentions:
        doubt *= 1.0 - min(max(mention.confidence, 0), 99) / 100
    return round(100 * (1.0 - doubt))


def _severity(way: str, sure: int) -> Severity:
    if way == "from":  # The whole internet is knocked at all day.
        return Severity.LOW if sure >= 75 else Severity.INFO
    if sure >= 90:
        return Severity.CRITICAL
    return Severity.HIGH if sure >= 75 else Severity.MEDIUM


def _sentence(case: _Case, best: Mention, feeds: list[str], knowledge: Knowledge) -> str:
    who = explain.label(case.subject, knowledge)
    value = explain.clean(best.value, 100)
    listed = f"listed by {explain.listing([explain.clean(feed, 32) for feed in feeds])}"
    why = explain.clean(best.description or ", ".join(best.tags), 80)
    seen = "" if case.sample in {"", best.value} else explain.clean(case.sample, 80)
    services = next((peer.services for peer in case.peers.values() if peer.services), ())
    how = f" by {services[0]}" if services else ""
    if case.way == "from":
        peers = explain.listing(list(case.peers), case.total)
        what = f"{who} turned to {peers}{how}; {value} is {listed}"
    elif case.way == "to":
        what = f"{who} turned to {seen or value}{how}; {value} is {listed}"
    elif case.way == "server":
        place = explain.listing(list(case.peers), case.total)
        what = f"{who} turned to {place}{how}, whose certificate {value} is {listed}"
    else:
        what = f"{who} named {seen or value}; {value} is {listed}"
    return explain.sentence([what, why, explain.counted(case.times, "time")])
