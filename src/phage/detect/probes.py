"""Probes: which targets a host tried in vain, remembered for an hour, under a cap.

Each source walks by its outcomes as in the threshold random walk of Jung, Paxson, Berger and
Balakrishnan (Fast portscan detection using sequential hypothesis testing, IEEE S&P 2004): a first
contact that fails is evidence for a scan, one that succeeds against it. With success probabilities
of 0.8 for a benign host and 0.2 for a scanner each step is a factor of 4, so the walk is a
difference of two counts.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from phage.detect.parties import HostKey, host_key
from phage.detect.rows import among
from phage.detect.tables import Recent, Usual
from phage.records.columns import Event, TcpState

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from phage.detect.rows import Bools, Flow
    from phage.records import Columns

T = TypeVar("T")

_SYN, _RST, _FIN, _ACK = 2, 4, 1, 16
_TCP, _UDP, _SCTP = 6, 17, 132
# Echo, timestamp, information and mask requests, and echo of IPv6 (RFC 792, 950, 4443).
_ICMP_REQUESTS = frozenset({8, 13, 15, 17})
_ICMP6_REQUEST = 128
_ICMP, _ICMP6 = 1, 58
_PROBED = frozenset({_ICMP, _TCP, _UDP, _ICMP6, _SCTP})
OTHERS = 0xFF
"""Stands for all protocols that have neither ports nor questions (255 is reserved by IANA)."""

# Ports from here on are given to clients for a while (Linux from 32768, RFC 6335 from 49152): a
# datagram to one is an answer or a call between peers, not a question to a service; traceroute's
# are there too.
_EPHEMERAL = 32_768
# Services whose answers come back as flows of their own: to a question by multicast, late, or to
# one that somebody else asked in the host's name (CISA, alert TA14-017A). Those of peers that use
# one port at both ends, as SIP does, are left out: they probe by it.
_ANSWERING = frozenset(
    {
        17, 19, 53, 67, 68, 69, 111, 123, 137, 138, 161, 177, 389, 427, 443, 500, 1434, 1900, 3283,
        3389, 3478, 3702, 4500, 5093, 5351, 5353, 5355, 5683, 10_001, 11_211, 27_015, 27_960,
        37_810, 47_808,
    }
)  # fmt: skip
_ANSWERING_PORTS = np.array(sorted(_ANSWERING), np.uint16)
_REGISTERED = 1024  # From here on ports are not those of a system's own services (RFC 6335).

AT_HOME = 1 << 24
"""Bit of a service that tells that the target is at home."""

Pair = tuple[bytes, int]
"""A target: address and service (home << 24 | protocol << 16 | port)."""


def protocol_of(service: int) -> int:
    """Return the IP protocol of a target's service."""
    return service >> 16 & 0xFF


def kind_of(service: int) -> int:
    """Return what a host's targets are counted by: the protocol, or `OTHERS`."""
    protocol = protocol_of(service)
    return protocol if protocol in _PROBED else OTHERS


class Outcome(enum.IntEnum):
    """What became of a first contact."""

    UNKNOWN = 0
    ANSWERED = 1
    FAILED = 2
    SILENT = 3


def outcome_of(row: Flow) -> Outcome:
    """Judge a flow as a probe."""
    protocol = row.protocol
    if protocol == _TCP:
        return _tcp_outcome(row)
    if protocol == _UDP:
        return _udp_outcome(row)
    if protocol == _ICMP and row.src_port not in _ICMP_REQUESTS:
        return Outcome.UNKNOWN
    if protocol == _ICMP6 and row.src_port != _ICMP6_REQUEST:
        return Outcome.UNKNOWN
    return _plain_outcome(row)


def talk(flows: Columns) -> Bools:
    """Tell which flows began in an earlier window, go on and are answered.

    It is what nearly all rows are, and says nothing new of a source that failed nowhere.
    """
    sent, received = flows["flags"][:, 0], flows["flags"][:, 1]
    opened = ((sent & _SYN) == 0) | ((received & _SYN) != 0)
    established = (flows["protocol"] == _TCP) & (flows["state"] == TcpState.ESTABLISHED) & opened
    late = among(flows["src_port"], _ANSWERING_PORTS)[0] & (flows["dst_port"] >= _REGISTERED)
    asked = (flows["protocol"] == _UDP) & ~late
    going_on = (flows["event"] == Event.UPDATED) & (flows["packets"][:, 1] > 0)
    answered: Bools = going_on & (flows["errors"] == 0) & (established | asked)
    return answered


def by_sources(flows: Columns, keys: Container[HostKey]) -> Bools:
    """Tell which flows are of one of these sources."""
    ends = zip(flows["src_mac"].tolist(), flows["src"].tolist(), strict=True)
    return np.array([mac in keys or src in keys for mac, src in ends], bool)


def is_two_way(row: Flow) -> bool:
    """Tell whether the source surely got what it was answered: nobody forged its address.

    An answer alone does not tell: the victim sends it to whoever is named as the source. Who
    completes a handshake blindly is answered by a reset (RFC 9293, section 3.10.7.4), and is sent
    no data.
    """
    if row.protocol != _TCP:
        return False
    acknowledged = row.handshake > 0 and not row.flags_received & _RST
    return acknowledged or (row.payload_received > 0 and row.payload_sent > 0)


def _plain_outcome(row: Flow) -> Outcome:
    if row.errors:
        return Outcome.FAILED
    return Outcome.ANSWERED if row.received else Outcome.SILENT


def _udp_outcome(row: Flow) -> Outcome:
    if row.src_port in _ANSWERING and row.dst_port >= _REGISTERED:
        return Outcome.UNKNOWN
    outcome = _plain_outcome(row)
    if outcome is Outcome.SILENT and row.dst_port >= _EPHEMERAL:
        return Outcome.UNKNOWN
    return outcome


def _tcp_outcome(row: Flow) -> Outcome:
    state, flags = row.state, row.flags_sent
    bare = not row.payload_sent and row.sent <= 3
    if state == TcpState.SYN_SENT:
        outcome = Outcome.FAILED if row.errors else Outcome.SILENT
    elif state == TcpState.REFUSED:
        # The first packet was a reset: an answer whose question was not seen.
        outcome = Outcome.UNKNOWN if flags & _RST and not flags & _SYN else Outcome.FAILED
    elif flags & _SYN and row.received and not row.flags_received & _SYN:
        # Answered by resets only, more than one.
        answered_by_reset = row.flags_received & _RST and bare
        outcome = Outcome.FAILED if answered_by_reset else Outcome.UNKNOWN
    elif state == TcpState.NONE:
        outcome = _stealth_outcome(row, bare=bare)
    elif state == TcpState.RESET and bare and not row.payload_received:
        outcome = _torn_outcome(flags, row.sent)
    else:
        outcome = Outcome.ANSWERED if row.received else Outcome.UNKNOWN
    return outcome


def _torn_outcome(flags: int, sent: int) -> Outcome:
    """Judge a connection that was reset before anything was said."""
    if flags & _SYN:
        # A SYN scan tears down what it found open before the handshake is done.
        torn = flags & _RST and not flags & _FIN and sent <= 2
        return Outcome.FAILED if torn else Outcome.ANSWERED
    return Outcome.UNKNOWN if flags & _RST else Outcome.FAILED


def _stealth_outcome(row: Flow, *, bare: bool) -> Outcome:
    """Judge a flow whose beginning was no SYN."""
    flags = row.flags_sent
    if flags & (_SYN | _RST) or not row.dst_port:
        return Outcome.UNKNOWN
    if not flags & _ACK:
        # No stack sends a FIN, an empty or a "Christmas tree" segment out of the blue
        # (RFC 9293, section 3.10.7).
        return Outcome.FAILED
    return Outcome.FAILED if row.flags_received & _RST and bare else Outcome.UNKNOWN


def fast_sources(flows: Iterable[Flow], routers: frozenset[int]) -> frozenset[HostKey]:
    """Return the sources that get no answers: all that can be told with rows missing."""
    begun: Counter[HostKey] = Counter()
    answered: Counter[HostKey] = Counter()
    for row in flows:
        if not row.event & Event.STARTED:
            continue
        key = host_key(row.src, row.src_mac, home=bool(row.home & 1), routers=routers)
        begun[key] += 1
        if row.received and row.state != TcpState.REFUSED and not row.errors:
            answered[key] += 1
    return frozenset(
        key for key, count in begun.items() if count >= 32 and answered[key] < count // 5
    )


@dataclass(slots=True)
class Source:
    """One host's failed, pending and good targets of the last hour."""

    key: HostKey
    mac: int
    address: bytes
    home: bool
    usual: Usual
    pending: dict[Pair, int] = field(default_factory=dict)
    failed: dict[Pair, tuple[int, int, int]] = field(default_factory=dict)
    good: dict[Pair, None] = field(default_factory=dict)
    failed_on: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    failed_by: Counter[int] = field(default_factory=Counter)
    good_on: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    good_by: Counter[int] = field(default_factory=Counter)
    touched: dict[Pair, None] = field(default_factory=dict)
    burst_start: int = 0
    burst_last: int = 0
    sent: int = 0
    scanned: bool = False
    """Whether it has ever been found to scan."""
    proven: int = 0
    """When a connection began last of which the source surely got the answers; 0 for never."""

    @property
    def size(self) -> int:
        """How many targets are remembered."""
        return len(self.pending) + len(self.failed) + len(self.good)


# A failed probe of TCP or one that was refused weighs 2, a datagram without an answer 1: many
# services do not answer datagrams that they do not like, so silence there says less.
HARD, SOFT = 2, 1


class Probes:
    """All sources' targets, under one cap."""

    def __init__(
        self, *, most_sources: int, most_pairs: int, most_pairs_each: int, keep: int
    ) -> None:
        self.most_pairs = most_pairs
        self.most_pairs_each = most_pairs_each
        self.keep = keep
        # A target that is tried again after so long counts as tried anew, not as one more.
        self.again = keep // 6
        self.pairs = 0
        self.lost = 0
        # Hosts at home have a table of their own: no flood of made-up sources from outside can
        # push them out.
        self._home: Recent[HostKey, Source] = Recent(max(1, most_sources // 4), self._forget)
        self._away: Recent[HostKey, Source] = Recent(most_sources, self._forget)
        self.waiting: dict[HostKey, None] = {}

    def __len__(self) -> int:
        return len(self._home) + len(self._away)

    @property
    def dropped(self) -> int:
        """How many sources and targets were dropped to stay under the caps."""
        return self._home.dropped + self._away.dropped + self.lost

    def _forget(self, source: Source) -> None:
        self.pairs -= source.size
        self.waiting.pop(source.key, None)

    def get(self, key: HostKey) -> Source | None:
        """Return a source that is known."""
        return self._home.get(key) or self._away.get(key)

    def stirred(self) -> set[HostKey]:
        """Return the sources that wait for answers, failed somewhere or scanned."""
        return {
            source.key
            for table in (self._home, self._away)
            for source in table.values()
            if source.failed or source.pending or source.scanned
        }

    def source(self, key: HostKey, row: Flow) -> Source:
        """Return a source, made at its first probe."""
        table = self._home if row.home & 1 else self._away
        source = table.use(key)
        if source is None:
            usual = Usual(row.start)
            source = Source(key, row.src_mac, row.src, bool(row.home & 1), usual)
            table.put(key, source)
        source.address = row.src
        return source

    def _make_room(self, source: Source) -> None:
        if self.pairs > self.most_pairs:
            (self._home if source.home else self._away).use(source.key)
        while self.pairs > self.most_pairs and len(self) > 1:
            crowded = self._home if len(self._away) <= int(not source.home) else self._away
            oldest = crowded.drop_oldest()
            if oldest is None:
                break
            self._forget(oldest)
        if len(source.pending) > self.most_pairs_each:
            del source.pending[next(iter(source.pending))]
            self.pairs -= 1
            self.lost += 1
        if len(source.failed) > self.most_pairs_each:
            self.forgive(source, next(iter(source.failed)))
            self.lost += 1

    def wait(self, source: Source, pair: Pair, time: int) -> None:
        """Wait for the answer to a probe that was sent at a time."""
        if pair in source.pending or pair in source.failed:
            return
        source.pending[pair] = time
        self.pairs += 1
        self.waiting[source.key] = None
        self._make_room(source)

    def fail(self, source: Source, pair: Pair, time: int, weight: int, service_weight: int) -> bool:
        """Count a target as tried in vain; tell whether it is new."""
        if source.pending.pop(pair, None) is not None:
            self.pairs -= 1
        known = source.failed.get(pair)
        if known is not None:
            if time - known[0] < self.again:
                return False
            self.forgive(source, pair)
        source.failed[pair] = (time, weight, service_weight)
        self.pairs += 1
        address, service = pair
        source.failed_on[address, kind_of(service)] += weight
        source.failed_by[service] += service_weight
        source.touched[pair] = None
        self._make_room(source)
        return True

    def forgive(self, source: Source, pair: Pair) -> None:
        """Take a target back: it answered after all, or it is long ago."""
        entry = source.failed.pop(pair, None)
        if entry is None:
            return
        self.pairs -= 1
        address, service = pair
        _take(source.failed_on, (address, kind_of(service)), entry[1])
        _take(source.failed_by, service, entry[2])

    def succeed(self, source: Source, pair: Pair, *, first_contact: bool) -> None:
        """Note that a target answered; a first contact speaks against a scan, once each."""
        if source.pending.pop(pair, None) is not None:
            self.pairs -= 1
        self.forgive(source, pair)
        if not first_contact or pair in source.good or len(source.good) >= 256:
            return
        source.good[pair] = None
        self.pairs += 1
        source.good_on[pair[0], kind_of(pair[1])] += 1
        source.good_by[pair[1]] += 1

    def expire(self, source: Source, before: int) -> None:
        """Forget what failed before a time."""
        while source.failed:
            pair = next(iter(source.failed))
            if source.failed[pair][0] >= before:
                break
            self.forgive(source, pair)
        if not source.failed and not source.pending and source.good:
            self.pairs -= len(source.good)
            source.good.clear()
            source.good_on.clear()
            source.good_by.clear()

    def give_up(self, source: Source, pair: Pair) -> None:
        """Stop waiting for an answer without judging."""
        if source.pending.pop(pair, None) is not None:
            self.pairs -= 1

    def due(
        self, now: int, wait: int, remote_wait: int
    ) -> list[tuple[Source, list[tuple[Pair, int]]]]:
        """Return the targets that had their time to answer, with the times of the probes."""
        answers = []
        for key in list(self.waiting):
            source = self.get(key)
            if source is None or not source.pending:
                del self.waiting[key]
                continue
            late = []
            for pair, time in source.pending.items():
                if time + (wait if pair[1] & AT_HOME else remote_wait) > now:
                    break
                late.append((pair, time))
            if late:
                answers.append((source, late))
        return answers


def _take(counter: Counter[T], key: T, weight: int) -> None:
    left = counter[key] - weight
    if left > 0:
        counter[key] = left
    else:
        del counter[key]
