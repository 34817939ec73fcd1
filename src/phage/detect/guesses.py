"""Password guessing: what is known of clients and servers, the attack, and the sentence for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect import explain
from phage.detect.tables import Distinct, Tally, Unlisted
from phage.records import Feature, Finding, Peer, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.detect.detector import Knowledge
    from phage.detect.logins import LoginService
    from phage.detect.tables import Usual
    from phage.records import Subject

TIMES, SIZES = 128, 32
"""Refused logins of which the time, and the sizes, are remembered."""

_MINUTE = 60_000_000_000
_TCP = 6
_SHOWN = 16
_MOST_OTHERS = 256


@dataclass(slots=True)
class Pair:
    """One client at one server's service; most log in, and have nothing in their lists.

    Attributes:
        times: When a connection looked like a refused login.
        sizes: Octets of payload, sent and received, of these connections.
        tally: How many there were by the minute.
        replies: When a reply refused a login.
        replies_tally: How many did by the minute.
        sessions: Connections that were sessions.
    """

    client: Subject
    server: Subject
    service: LoginService
    port: int
    usual: Usual
    times: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    replies: list[int] = field(default_factory=list)
    replies_tally: Tally = field(default_factory=Tally)
    sessions: int = 0

    @property
    def client_key(self) -> str:
        """Key of an attack by the client."""
        return f"{self.client.device}/{self.service.name}"

    @property
    def server_key(self) -> str:
        """Key of an attack by many on the server."""
        return f"*/{self.server.device}/{self.service.name}"


@dataclass(slots=True)
class Crowd:
    """Clients of one server, or servers of one client, at one service."""

    others: Distinct[tuple[str, str]] = field(default_factory=lambda: Distinct(256))
    times: list[int] = field(default_factory=list)
    sessions: int = 0


@dataclass(slots=True)
class Guesses:
    """Guessing that goes on: of one client at a service, or of many at one server."""

    subject: Subject
    service: LoginService
    first: int
    last: int
    kind: str
    usual: float
    attempts: int = 0
    packets: int = 0
    replies: int = 0
    success: bool = False
    others: dict[str, Peer] = field(default_factory=dict)
    more: Unlisted = field(default_factory=Unlisted)

    @property
    def total(self) -> int:
        """How many others there were."""
        return len(self.others) + self.more.total

    def extend(self, other: Subject, port: int, now: int, packets: int, attempts: int = 1) -> None:
        """Add attempts at, or by, another host."""
        self.attempts += attempts
        self.packets += packets
        self.last = max(self.last, now)
        if other.ip in self.others:
            return
        if len(self.others) < _MOST_OTHERS:
            self.others[other.ip] = Peer(other.ip, other.mac, (explain.service(_TCP, port),))
        else:
            self.more.add(other.ip)

    def finding(self, detector: str, key: str, knowledge: Knowledge) -> Finding:
        """Make the finding of it as it stands."""
        minutes = max((self.last - self.first) / _MINUTE, 1.0)
        feature = Feature(
            "login_attempts",
            round(self.attempts / minutes, 1),
            0.0,
            max(self.usual, 3.0),
            "attempts/min",
            1.0,
            "connections that look like refused logins",
        )
        peers = tuple(self.others.values())[:_SHOWN]
        return Finding(
            detector=detector,
            key=key,
            severity=Severity.CRITICAL if self.success else Severity.HIGH,
            score=min(1.0, 0.5 + self.attempts / 100),
            subject=self.subject,
            summary=self._sentence(knowledge, feature),
            first_seen=self.first,
            last_seen=self.last,
            peers=peers,
            peers_total=self.total,
            packets=self.packets,
            evidence={
                "kind": self.kind,
                "subject_is": "victim" if self.kind == "distributed" else "attacker",
                "service": self.service.name,
                "attempts": self.attempts,
                "refused_by_reply": self.replies,
                "session_followed": self.success,
                "usual_per_minute": round(self.usual, 1),
            },
            features=(feature,),
            spoofable=False,
        )

    def _sentence(self, knowledge: Knowledge, feature: Feature) -> str:
        who = explain.label(self.subject, knowledge)
        took = explain.duration(max(1, self.last - self.first))
        names = [explain.peer_label(peer, knowledge) for peer in self.others.values()]
        others = explain.listing(names, self.total, shown=2)
        service = self.service.name
        tries = explain.counted(self.attempts, "login")
        if self.kind == "distributed":
            first = (
                f"{who} was asked for {tries} by {service} from {others} in {took}, "
                "and refused them"
            )
        elif self.replies or self.service.slow:
            first = f"{who} tried {tries} by {service} at {others} in {took}, and was refused"
        else:
            times = explain.counted(self.attempts, "time")
            first = (
                f"{who} connected {times} by {service} to {others} in {took}, always briefly and "
                "alike: guessing of passwords, or a flood of requests"
            )
        normal = explain.expected(0, feature.expected_high)
        last = "then a session was opened" if self.success else ""
        return explain.sentence([first, f"normal for it is {normal} a minute", last])


def came_within(times: Sequence[int], count: int, now: int, span: int) -> bool:
    """Tell whether the last so many came within a span; more than is remembered did not."""
    return len(times) >= count and now - times[-count] <= span
