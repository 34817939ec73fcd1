"""Why much traffic may be no attack: somebody asked for it, answers it, or it is one transfer.

What an attack cannot have is a partner: nobody answers a flood, completes its handshakes or asked
for its replies. Both directions of a host or prefix are compared in what exceeds the usual, so that
busy and asymmetric networks are judged by what has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.measures import CLASSES, octets_column, packets_column
from phage.detect.volumes.samples import Make, make_of
from phage.frozen import frozen
from phage.records.columns import TrafficClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.detect.volumes.measures import Floats
    from phage.records import Columns


_ECHO_REQUESTS = (8, 128)
_ECHO_REPLIES = (0, 129)


@frozen
class Shares:
    """What is compared with what.

    Attributes:
        answered_tcp: Acknowledgements for segments at least: one for 50, offloading included.
        answered_udp: Datagrams back: acknowledgements of QUIC are as rare.
        asked: Questions for answers of services that amplify: one answer is some packets at most.
        caused: Segments that cause others, SYNs of SYN-ACKs and what is reset, for these.
        errors: ICMP errors for the packets that cause them: systems limit their rate.
        incomplete: SYNs for other segments: a connection of one request has one SYN in six.
        transfer_length: Mean octets of a packet in a transfer, which fills its packets.
        transfer_flows: Combinations of addresses and ports that carry a transfer.
        own_flows: Datagrams of so few combinations that are below thresholds are a stream.
        echoes: Echoes back for those of a host that watches others.
        watched: Part of ICMP that has to be such echoes.
    """

    answered_tcp: float = 0.02
    answered_udp: float = 0.02
    asked: float = 0.1
    caused: float = 0.3
    errors: float = 0.1
    incomplete: float = 0.6
    transfer_length: float = 900.0
    transfer_flows: int = 64
    own_flows: int = 4
    echoes: float = 0.5
    watched: float = 0.9


@frozen
class Case:
    """One class of traffic of one target that is more than usual.

    Attributes:
        kind: The class.
        sent: Whether the target sends it.
        excess: What exceeds the usual, by measure, a second; all measures of the target.
        rates: All rates of the target.
        shown: Returns traffic of this direction of the target.
        is_host: Whether the target is one host.
        by_threshold: Whether a threshold is exceeded, not only what is usual.
    """

    kind: TrafficClass
    sent: bool
    excess: Floats
    rates: Floats
    shown: Callable[[], Columns]
    is_host: bool
    by_threshold: bool = False

    def make(self) -> Make:
        """Return what the traffic of the class consists of."""
        rows = self.shown()
        return make_of(rows[rows["class"] == self.kind], sent=self.sent)

    def more(self, kind: TrafficClass, *, back: bool = False) -> float:
        """Return what exceeds the usual of a class, in the same direction or back."""
        return max(0.0, float(self.excess[packets_column(kind, sent=self.sent != back)]))


def excuse(case: Case, shares: Shares) -> str:
    """Return why traffic is no attack; '' where nothing speaks for it."""
    rule = _RULES.get(case.kind)
    return rule(case, shares) if rule is not None else ""


def _tcp(case: Case, shares: Shares) -> str:
    mine = case.more(TrafficClass.TCP)
    back = case.more(TrafficClass.TCP, back=True)
    if back >= shares.answered_tcp * mine:
        return "answered"
    syn = case.more(TrafficClass.SYN)
    length = _mean_length(case)
    # Clients that begin connections and then send data in them, though no answers are seen.
    if 0.02 * mine <= syn <= shares.incomplete * mine and length >= 100:
        return "connections"
    if length >= shares.transfer_length:
        make = case.make()
        if 0 < make.busiest_tuples <= shares.transfer_flows and 2 * make.busiest_tuples < make.rows:
            return "a transfer"
    return ""


def _syn(case: Case, shares: Shares) -> str:
    syn = case.more(TrafficClass.SYN)
    if syn <= shares.incomplete * case.more(TrafficClass.TCP):
        return "completed"
    make = case.make()
    if case.sent and make.busiest_peers > 8 and not case.by_threshold:
        return "a scan"
    if not case.sent and make.peers <= 4 and make.rows >= 8:
        if case.is_host and 2 * make.near_ports > make.rows:
            return "a scan"
        # One asks many hosts for many ports, or all for a few.
        few = make.near_ports <= 32 or not case.by_threshold
        if not case.is_host and 2 * make.tuples > make.rows and few:
            return "a scan"
    return ""


def _syn_ack(case: Case, shares: Shares) -> str:
    answers = case.more(TrafficClass.SYN_ACK)
    if case.more(TrafficClass.SYN, back=True) >= shares.caused * answers:
        return "asked for"
    if answers <= shares.incomplete * case.more(TrafficClass.TCP):
        return "completed"
    return ""


def _reset(case: Case, shares: Shares) -> str:
    back = sum(
        case.more(kind, back=True)
        for kind in (TrafficClass.TCP, TrafficClass.SYN, TrafficClass.SYN_ACK)
    )
    return "asked for" if back >= shares.caused * case.more(TrafficClass.RESET) else ""


def _udp(case: Case, shares: Shares) -> str:
    mine = case.more(case.kind)
    back = sum(
        case.more(kind, back=True)
        for kind in (TrafficClass.UDP, TrafficClass.QUERY, TrafficClass.REPLY)
    )
    if back >= shares.answered_udp * mine:
        return "answered"
    if case.by_threshold:
        return ""
    make = case.make()
    if 0 < make.busiest_tuples <= shares.own_flows and 4 * make.busiest_tuples < make.rows:
        return "a stream"
    return ""


def _reply(case: Case, shares: Shares) -> str:
    mine = case.more(TrafficClass.REPLY)
    # Who sends such replies was asked; it is the questions that are forged.
    back = case.more(TrafficClass.QUERY, back=True) + case.more(TrafficClass.REPLY, back=True)
    return "asked for" if back >= shares.asked * mine else ""


def _icmp(case: Case, shares: Shares) -> str:
    others = float(
        np.maximum(case.excess[CLASSES * (not case.sent) : CLASSES * (not case.sent) + 7], 0).sum()
    )
    # Errors that what was sent out brings back.
    if shares.errors * others >= case.more(TrafficClass.ICMP):
        return "asked for"
    # Who watches many hosts by echoes is answered by them; a flood of echoes is so by its victim.
    back = case.more(TrafficClass.ICMP, back=True)
    if back >= shares.echoes * case.more(TrafficClass.ICMP):
        rows = case.shown()
        types = rows["dst_port"][rows["class"] == TrafficClass.ICMP] >> 8
        expected = _ECHO_REQUESTS if case.sent else _ECHO_REPLIES
        watches = case.make().busiest_peers > shares.own_flows
        if len(types) and watches and np.isin(types, expected).mean() > shares.watched:
            return "echoes"
    return ""


def _fragment(case: Case, shares: Shares) -> str:
    mine = case.more(TrafficClass.FRAGMENT)
    if case.more(TrafficClass.FRAGMENT, back=True) >= shares.asked * mine:
        return "answered"
    # The rest of datagrams that are answered, of few: files over UDP, tunnels.
    if case.more(TrafficClass.UDP, back=True) >= shares.answered_udp * mine:
        return "answered" if 0 < case.make().busiest_peers <= shares.own_flows else ""
    return ""


def _other(case: Case, shares: Shares) -> str:
    back = case.more(TrafficClass.OTHER, back=True)
    if back >= shares.answered_udp * case.more(TrafficClass.OTHER):
        return "answered"
    make = case.make()
    return "a tunnel" if not case.by_threshold and 0 < make.busiest_peers <= 2 else ""


def _mean_length(case: Case) -> float:
    packets = max(float(case.rates[packets_column(case.kind, sent=case.sent)]), 1.0)
    return float(case.rates[octets_column(case.kind, sent=case.sent)]) / packets


_RULES = {
    TrafficClass.TCP: _tcp,
    TrafficClass.SYN: _syn,
    TrafficClass.SYN_ACK: _syn_ack,
    TrafficClass.RESET: _reset,
    TrafficClass.UDP: _udp,
    TrafficClass.QUERY: _udp,
    TrafficClass.REPLY: _reply,
    TrafficClass.ICMP: _icmp,
    TrafficClass.FRAGMENT: _fragment,
    TrafficClass.OTHER: _other,
}
