"""A device deviates from its own profile: it does something new, or far more, or at odd hours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.clock import rfc3339
from phage.records import Feature, Finding, Peer, Severity, Subject
from phage.records.profile import (
    EPHEMERAL,
    NO_PORT,
    POSING,
    USUAL_PORTS,
    Deviation,
    DeviationKind,
    Way,
)
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.detect.detector import Knowledge
    from phage.records import Window
    from phage.records.profile import ProfileKey

_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6"}

_HOUR = 3_600_000_000_000
_MAX_DEVICES = 4096

_RATE_NAMES = {
    "arp_request": "ARP requests",
    "flows": "connections",
    "syn": "TCP connection attempts",
    "udp": "UDP packets",
    "unanswered": "unanswered attempts",
    "echo": "pings",
    "dns_failures": "failed look-ups",
    "new_peers": "new peers",
    "peers": "connections to different peers",
    "ports": "connections to different ports",
}


@dataclass(slots=True)
class _Episode:
    """What one device did that it never did, until it did nothing such for an hour."""

    first: int
    last: int
    count: int = 0
    score: float = 0.0


@dataclass
class DeviationDetector:
    """Scores how far a device strays from what it was seen to do.

    Novelty counts most: an inbound service that never was, another device at home, a strange domain
    by a strange port. It counts less where others of its kind do the same, where several began
    together (their maker changed something), within a day of new firmware, and where only the port
    of a known peer is new. Phones and PCs are not judged: what they do is up to people.

    Fails while a profile is learned (the device's first days), against what an attacker does to a
    name and port that the device uses anyway, and where everything goes through one proxy.
    """

    name: ClassVar[str] = "deviation"
    summary: ClassVar[str] = "a device strays from its own profile: what it never did, or far more"

    least: float = 0.5
    """Score from which it is reported, 0 to 1."""
    relief_alike: float = 0.4
    """What is left of a score where others of its kind do the same."""
    relief_fleet: float = 0.4
    """What is left where several of its kind began it within a day."""
    relief_renewed: float = 0.5
    """What is left within a day of new firmware."""
    hours: bool = False
    """Also report known things at odd hours of the week."""

    dropped: int = field(default=0, init=False)
    _episodes: dict[str, _Episode] = field(default_factory=dict, init=False, repr=False)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterable[Finding]:  # noqa: ARG002
        """Judge the deviations of a window."""
        for deviation in knowledge.deviations:
            if not deviation.simple or (deviation.kind is DeviationKind.HOUR and not self.hours):
                continue
            score = self._score(deviation)
            if score < self.least:
                continue
            yield self._finding(deviation, self._episode(deviation, score), knowledge)

    def _episode(self, deviation: Deviation, score: float) -> _Episode:
        """Take a deviation into its device's episode: what comes within an hour is one finding."""
        episode = self._episodes.pop(deviation.device, None)
        if episode is None or deviation.at - episode.last > _HOUR:
            episode = _Episode(deviation.at, deviation.at)
        self._episodes[deviation.device] = episode
        episode.last = max(episode.last, deviation.at)
        episode.count += 1
        episode.score = max(episode.score, score)
        if len(self._episodes) > _MAX_DEVICES:
            del self._episodes[next(iter(self._episodes))]
            self.dropped += 1
        return episode

    def _score(self, deviation: Deviation) -> float:
        score = _novelty(deviation)
        for holds, relief in (
            (deviation.peers_alike, self.relief_alike),
            (deviation.fleet, self.relief_fleet),
            (deviation.renewed, self.relief_renewed),
        ):
            score *= relief if holds else 1.0
        return round(min(1.0, score), 3)

    def _finding(self, deviation: Deviation, episode: _Episode, knowledge: Knowledge) -> Finding:
        named = knowledge.names.get(deviation.mac) or knowledge.names.get(deviation.ip)
        who = escape(named or deviation.ip or deviation.mac)[:80]
        key = deviation.key
        service = _service(key) if key is not None else ""
        peers: tuple[Peer, ...] = ()
        if deviation.peer_ip:
            peers = (Peer(deviation.peer_ip, services=(service,) if service else ()),)
        summary, score = _summary(deviation, who), episode.score
        if episode.count > 1:
            summary += f"; {episode.count} such things since {rfc3339(episode.first)[11:16]} UTC"
        return Finding(
            detector=self.name,
            key=f"{deviation.device}|{episode.first}",
            severity=_severity(score),
            score=score,
            subject=Subject(deviation.mac, deviation.ip, deviation.mac or deviation.device),
            summary=f"{summary}.",
            first_seen=episode.first,
            last_seen=episode.last,
            peers=peers,
            peers_total=len(peers),
            packets=episode.count,
            evidence={
                "device": deviation.device,
                "deviation": str(deviation.kind),
                "key": _key_text(deviation),
                "others_of_its_kind_do_it": deviation.peers_alike,
                "began_together": deviation.fleet,
                "after_new_firmware": deviation.renewed,
                **_order(deviation),
            },
            features=_features(deviation),
        )


def _novelty(deviation: Deviation) -> float:
    if deviation.kind in {DeviationKind.HOUR, DeviationKind.ORDER}:
        return 0.55
    if deviation.kind is not DeviationKind.NEW:
        times = deviation.value / max(deviation.usual, 1.0)
        return min(1.0, 0.55 + 0.1 * math.sqrt(max(0.0, times - 5.0)))
    return _novelty_of(deviation.key, known=deviation.known_peer) if deviation.key else 0.0


def _novelty_of(key: ProfileKey, *, known: bool) -> float:
    if key.peer.startswith(f"{POSING}:"):
        return 0.95
    if key.peer.startswith("group:") or key.protocol in {1, 2, 58}:
        return 0.2  # Heard at home only, or a ping; a rate of it is another matter.
    if key.way is Way.IN:
        return 0.95 if key.peer == "internet" else 0.7
    score = 0.4 if known else 0.6
    if key.peer.startswith("device:"):
        score += 0.15
    elif key.peer.startswith("net:"):
        score += 0.05
    if key.port != NO_PORT and key.port not in USUAL_PORTS:
        score += 0.15
    return score


def _severity(score: float) -> Severity:
    if score >= 0.9:
        return Severity.HIGH
    return Severity.MEDIUM if score >= 0.7 else Severity.LOW


def _service(key: ProfileKey) -> str:
    protocol = _PROTOCOLS.get(key.protocol, str(key.protocol))
    if key.port == EPHEMERAL:
        return f"{protocol}/any"
    return protocol if key.port == NO_PORT else f"{protocol}/{key.port}"


def _key_text(deviation: Deviation) -> str:
    return deviation.what if deviation.key is None else _text(deviation.key)


def _text(key: ProfileKey) -> str:
    return f"{key.way} {_service(key)} {escape(key.peer)[:120]}"


def _summary(deviation: Deviation, who: str) -> str:
    key = deviation.key
    if key is None:
        return _rate_summary(deviation, who)
    peer = escape(key.peer.partition(":")[2] or key.peer)[:100]
    by = _service(key)
    if deviation.kind is DeviationKind.RATE:
        often = f"{deviation.value:,.0f} times in a minute, {deviation.usual:,.0f} was the most"
        return f"{who} and {peer} by {by}: {often} so far"
    if deviation.kind is DeviationKind.VOLUME:
        usual = f"{deviation.usual / 1e6:,.1f} MB is usual"
        return f"{who} sent {deviation.value / 1e6:,.1f} MB to {peer} by {by}; {usual}"
    if deviation.kind is DeviationKind.HOUR:
        return f"{who} talks to {peer} by {by} at an hour of the week when it never did"
    if deviation.kind is DeviationKind.ORDER:
        return f"{who} {_doing(key, peer)} without {_done(deviation.after)} first"
    return f"{who} {_new_thing(deviation, key, peer)}"


def _rate_summary(deviation: Deviation, who: str) -> str:
    """Return the words for a rate of a whole device."""
    value, usual = f"{deviation.value:,.0f}", f"{deviation.usual:,.0f}"
    if deviation.what == "up_down":
        return (
            f"{who} sent {value} times what it received in a minute; {usual} times was its most "
            "so far"
        )
    what = _RATE_NAMES.get(deviation.what, deviation.what)
    return f"{who} made {value} {what} in a minute; {usual} was its most so far"


def _new_thing(deviation: Deviation, key: ProfileKey, peer: str) -> str:
    by = _service(key)
    if key.peer.startswith("asks:"):
        return f"looks {peer} up, which it never did"
    if key.peer.startswith(f"{POSING}:"):
        return f"is sent packets of {deviation.peer_ip} by {peer}, which is no router"
    if key.way is Way.IN:
        return f"is asked by {deviation.peer_ip or peer} for {by}, which it never served"
    return f"talks to {peer} by {by}, which it never did"


def _doing(key: ProfileKey, peer: str) -> str:
    if key.peer.startswith("asks:"):
        return f"looks {peer} up"
    by = _service(key)
    return f"is asked by {peer} for {by}" if key.way is Way.IN else f"talks to {peer} by {by}"


def _done(key: ProfileKey | None) -> str:
    """Return what should have come before, as a thing that is done."""
    if key is None:
        return "anything"
    peer = escape(key.peer.partition(":")[2] or key.peer)[:100]
    if key.peer.startswith("asks:"):
        return f"looking {peer} up"
    return f"{'being asked by' if key.way is Way.IN else 'talking to'} {peer} by {_service(key)}"


def _order(deviation: Deviation) -> dict[str, object]:
    """Return what usually comes before, and how often it did."""
    key = deviation.after
    if key is None:
        return {}
    return {"usually_after": _text(key), "share_of_cases": round(deviation.share, 3)}


def _features(deviation: Deviation) -> tuple[Feature, ...]:
    if deviation.kind not in {DeviationKind.RATE, DeviationKind.VOLUME}:
        return ()
    unit = "octets" if deviation.kind is DeviationKind.VOLUME else "1/min"
    name = deviation.what or str(deviation.kind)
    return (Feature(name, deviation.value, 0.0, deviation.usual, unit),)
