"""A flood: who is sent what, as far as it was seen, and the sentence that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from phage.detect import explain
from phage.records import Feature, Finding, Peer, Severity, Subject
from phage.records.address import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge
    from phage.detect.rows import Flow, Host, Rows
    from phage.detect.tables import Usual

SHOWN = 16
"""Sources and ports that are listed."""

_TCP = 6
_PROTOCOLS = {"tcp": (6,), "udp": (17,), "icmp": (1, 58)}


@dataclass(slots=True)
class Flood:
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

    def note_parties(self, row: Host, rows: Rows, *, outgoing: bool) -> None:
        """Note who sends, or is sent, what a host's row counts."""
        if len(self.sources) >= SHOWN:
            return
        for flow in rows.flows:
            mine, other = (flow.src, flow.dst) if outgoing else (flow.dst, flow.src)
            if mine == row.address and flow.protocol in (1, 6, 17, 58):
                note(self.sources, format_address(other))
                if flow.protocol in (6, 17):
                    note(self.ports, explain.service(flow.protocol, flow.dst_port))

    def finding(self, detector: str, victim: Victim, knowledge: Knowledge) -> Finding:
        """Make the finding of it as it stands."""
        target = explain.subject_of(victim.address, victim.mac, home=victim.home)
        is_out = self.attacker is not None
        subject = self.attacker if self.attacker is not None else target
        services = tuple(self.ports)[:SHOWN]
        if is_out and not self.kind.endswith("out"):
            peers: tuple[Peer, ...] = (Peer(target.ip, target.mac, services),)
            total = 1
        else:
            peers = tuple(Peer(ip, services=services) for ip in self.sources)
            total = max(self.sources_total, len(peers))
        feature = Feature(
            f"{self.kind.replace(' ', '_')}_rate",
            self.peak,
            0.0,
            max(self.usual, 1.0),
            "packets/s",
            1.0,
            "packets of the flood in a second",
        )
        return Finding(
            detector=detector,
            key=f"{subject.device}/{self.kind}",
            severity=Severity.HIGH if "syn" in self.kind or not is_out else Severity.MEDIUM,
            score=1.0,
            subject=subject,
            summary=self._sentence(subject, target, knowledge, feature),
            first_seen=self.first,
            last_seen=self.last,
            peers=peers,
            peers_total=total,
            packets=self.packets,
            evidence={
                "kind": self.kind,
                "subject_is": "attacker" if is_out else "victim",
                "peak_per_second": round(self.peak, 1),
                "usual_per_second": round(self.usual, 2),
                "sources": self.sources_total,
                "services": list(services),
            },
            features=(feature,),
            spoofable=True,
        )

    def _sentence(
        self, subject: Subject, target: Subject, knowledge: Knowledge, feature: Feature
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
        }[self.kind]
        rate = f"{explain.number(round(self.peak))} {what} a second"
        if self.attacker is not None:
            others = explain.listing(list(self.sources), self.sources_total, shown=2)
            sent_out = self.kind.endswith("out")
            whom = others if sent_out else explain.label(target, knowledge)
            first = f"{who} sends {whom} {rate}"
        else:
            sources = explain.listing(list(self.sources), self.sources_total, shown=2)
            first = f"{who} is sent {rate} from {sources}"
        normal = explain.expected(0, round(feature.expected_high, 1))
        return explain.sentence([first, f"normal for it is {normal} a second"])


@dataclass(slots=True)
class Victim:
    """One host that is sent much: what it usually gets, and what is half open."""

    address: bytes
    mac: int
    home: bool
    usual: dict[str, Usual] = field(default_factory=dict)
    half_open: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    suspicious: dict[str, int] = field(default_factory=dict)
    floods: dict[str, Flood] = field(default_factory=dict)


class Rate(NamedTuple):
    """What a host row says of one kind of packet."""

    kind: str
    received: int
    answered: int
    outgoing: bool


def rates_of(row: Host, least: int) -> Iterator[Rate]:
    """Yield the rates that a host row tells of, of at least so many packets.

    Of TCP neither SYNs count nor what is no TCP, nor resets in answer. What host rows do not count
    by kind (other protocols) counts as TCP: it is as one-way.
    """
    tcp_in = row.received - row.syn_received - row.udp_received - row.echo_received
    tcp_out = row.sent - row.syn_sent - row.udp_sent - row.echo_sent
    told = (
        ("syn", row.syn_received, row.syn_ack_sent, False),
        ("tcp", tcp_in - row.rst_received, tcp_out - row.rst_sent, False),
        ("udp", row.udp_received, row.udp_sent, False),
        ("icmp", row.echo_received, row.echo_received - row.echo_sent, False),
        ("tcp out", tcp_out - row.rst_sent, tcp_in - row.rst_received, True),
        ("udp out", row.udp_sent, row.udp_received, True),
        ("icmp out", row.echo_sent, 0, True),
    )
    return (Rate._make(each) for each in told if each[1] >= least)


def partner_at_home(row: Host, rows: Rows, rate: Rate) -> Flow | None:
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


def count(estimate: float) -> int:
    """Return an estimate of a sketch as a number; 0 where it is none."""
    return round(estimate) if 0.0 <= estimate < 1e12 else 0


def note(things: dict[str, None], thing: str) -> None:
    """Add to what is listed, while there is room."""
    if len(things) < SHOWN:
        things[thing] = None
