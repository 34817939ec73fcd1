"""Who exceeds a rate: traffic in windows against rules that ban for it.

The kernel drops what exceeds a rate by itself; to ban, to tell somebody or to run a script takes a
finding. Rules that do so (`match: {rate: 1000/s}` with `action: ban`, `notify` or `run`) are
followed here: flows are counted for each source, or destination, and who exceeds is reported as a
finding of the detector `rate`, which `decide` takes to the rule that it names.

A count slides: what was counted in the interval before counts by the share of it that still lies
within the rule's time, so a burst over the edge of two intervals is not missed. Fails where a
window has more flows than `MAX_FLOWS`: those with the fewest packets are left out, and counted in
`dropped`. A flood from forged sources is the detector `synflood`'s business.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from operator import sub
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from phage.policy.evaluate import Asked, Traffic
from phage.policy.meaning.matching import Party
from phage.policy.meaning.roles import ATTACKER, RATE, VICTIM
from phage.policy.services import PORTED
from phage.policy.writing.writer import rate_text
from phage.records.address import format_address, format_mac
from phage.records.columns import Event
from phage.records.finding import Finding, Peer, Severity, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.facts import Facts
    from phage.policy.ruleset import ReadyRule, RuleSet
    from phage.records.window import Columns, Window

MAX_FLOWS = 2000
"""Flows of a window that are counted: at some 20 microseconds each, a sixth of a window's time."""

MAX_KEPT = 65_536
"""Flows and sources that are followed at a time; the stalest goes."""

MAX_PEERS = 16
"""Other parties that a finding names."""

_TCP = 6
_SECOND = 1_000_000_000


class _Row(NamedTuple):
    """What is needed of a flow's row."""

    id: int
    src: bytes
    dst: bytes
    src_mac: int
    dst_mac: int
    packets: tuple[int, int]
    octets: tuple[int, int]
    payload: tuple[int, int]
    vlan: int
    src_port: int
    dst_port: int
    protocol: int
    event: int
    home: int


@dataclass(slots=True)
class _Known:
    """A flow: the rules that mean it, and what was counted of it so far."""

    rules: tuple[ReadyRule, ...]
    source: Party
    destination: Party
    packets: int = 0
    octets: int = 0
    counted: bool = False
    proven: bool = False
    base: tuple[int, int, int] = (0, 0, 0)
    """Packets, octets and connections that are not the rules' to count."""


@dataclass(slots=True)
class _Meter:
    """An amount in the interval that runs, and in the one before it."""

    begun: int
    now: float = 0.0
    before: float = 0.0

    def add(self, amount: float, at: int, span: int) -> None:
        """Count more, in intervals of `span` nanoseconds."""
        passed = (at - self.begun) // span
        if passed < -1:  # The clock was set back; windows of several interfaces differ by less.
            self.begun, self.now, self.before = at, 0.0, 0.0
        elif passed > 0:
            self.before = self.now if passed == 1 else 0.0
            self.now = 0.0
            self.begun += passed * span
        self.now += amount

    def within(self, at: int, span: int) -> float:
        """Return what was counted in the last interval up to a time."""
        share = min(1.0, max(0.0, 1.0 - (at - self.begun) / span))
        return self.now + self.before * share


@dataclass(slots=True)
class _Count:
    """What one party sent, or was sent, by one rule's flows.

    Attributes:
        all: How much.
        proven: How much of it by flows whose source is who it says: what is forged in the name of
            somebody who also has a connection accuses nobody.
        open: Flows that did not end.
        open_proven: How many of these are proven.
        first: When it began.
        told: When it was told last.
        others: With whom.
    """

    all: _Meter
    proven: _Meter
    first: int
    open: int = 0
    open_proven: int = 0
    told: int = 0
    others: dict[str, None] = field(default_factory=dict)


@dataclass
class ExcessMeter:
    """Follows flows for rules that ban who exceeds a rate. Called from one thread.

    Attributes:
        dropped: Flows that were not counted, and parties that were forgotten, for want of room.
    """

    dropped: int = field(default=0, init=False)
    _ruleset: RuleSet | None = field(default=None, init=False, repr=False)
    _flows: OrderedDict[int, _Known] = field(default_factory=OrderedDict, init=False, repr=False)
    _counts: OrderedDict[tuple[str, str], _Count] = field(
        default_factory=OrderedDict, init=False, repr=False
    )

    def take(self, ruleset: RuleSet, window: Window, facts: Facts) -> list[Finding]:
        """Count a window's flows; return a finding for each party that exceeds a rule's rate."""
        if ruleset is not self._ruleset:
            self._ruleset = ruleset
            self._flows.clear()
            self._counts.clear()
        rules = tuple(ruleset.excess_rules.values())
        if not rules or not (len(window.flows) or len(window.requests)):
            return []
        changed: dict[tuple[str, str], tuple[ReadyRule, Party]] = {}
        if not len(window.flows):
            # In host mode there are no flows: sources are counted as a whole.
            changed |= self._requests(window, rules, facts)
        for row in self._rows(window.flows):
            known = self._flow(row, rules, facts, window.end)
            if known.rules:
                for ready, party, other in self._counted(row, known, window.end):
                    key = (ready.rule.name, party.ip)
                    changed[key] = ready, party
                    others = self._counts[key].others
                    if len(others) < MAX_PEERS:
                        others[other.ip] = None
            if row.event & Event.ENDED:
                self._flows.pop(row.id, None)
        return [
            found
            for key, (ready, party) in changed.items()
            if (found := self._judge(key, ready, party, window.end)) is not None
        ]

    def _requests(
        self, window: Window, rules: tuple[ReadyRule, ...], facts: Facts
    ) -> dict[tuple[str, str], tuple[ReadyRule, Party]]:
        """Count requests of sources for the rules that ask nothing but a rate of the source."""
        changed: dict[tuple[str, str], tuple[ReadyRule, Party]] = {}
        self.dropped += max(0, len(window.requests) - MAX_FLOWS)
        rows = window.requests[:MAX_FLOWS]  # The busiest come first.
        # Whom they are for is not counted: it is this host, or who is behind it.
        own = Party(str(facts.home[0].network_address) if facts.home else "")
        columns = [rows[name].tolist() for name in ("address", "packets", "octets")]
        for address, packets, octets in zip(*columns, strict=True):
            source = Party(format_address(address))
            traffic = Traffic(source, own, connections=1 << 62, exceeds=True)
            asked = Asked(traffic, facts, window.end)
            for ready in rules:
                match = ready.rule.match
                if match.rate is None or match.per == "destination" or asked.why_not(ready):
                    continue
                news = {"packets": packets, "octets": octets, "connections": 0}
                count = self._count((ready.rule.name, source.ip), window.end)
                span = match.rate.seconds * _SECOND
                count.all.add(news[match.rate.unit], window.end, span)
                changed[ready.rule.name, source.ip] = ready, source
        return changed

    def _rows(self, flows: Columns) -> Iterator[_Row]:
        if len(flows) > MAX_FLOWS:
            self.dropped += len(flows) - MAX_FLOWS
            packets = flows["packets"][:, 0]
            flows = flows[np.argpartition(packets, len(flows) - MAX_FLOWS)[-MAX_FLOWS:]]
        columns = [flows[name].tolist() for name in _Row._fields]
        for values in zip(*columns, strict=True):
            yield _Row(*values)

    def _flow(self, row: _Row, rules: tuple[ReadyRule, ...], facts: Facts, now: int) -> _Known:
        """Return what is known of a flow; a new one is shown to the rules."""
        known = self._flows.get(row.id)
        if known is not None:
            self._flows.move_to_end(row.id)
            return known
        source = Party(format_address(row.src), format_mac(row.src_mac) if row.home & 1 else "")
        destination = Party(
            format_address(row.dst), format_mac(row.dst_mac) if row.home & 2 else ""
        )
        traffic = Traffic(
            source,
            destination,
            row.protocol,
            row.dst_port if row.protocol in PORTED else row.src_port,  # ICMP: its type.
            source_port=row.src_port if row.protocol in PORTED else None,
            vlan=row.vlan,
            connections=1 << 62,
            exceeds=True,
        )
        asked = Asked(traffic, facts, now)
        met = tuple(ready for ready in rules if not asked.why_not(ready)) if source.ip else ()
        known = self._flows[row.id] = _Known(met, source, destination)
        if not row.event & Event.STARTED:
            # It was there before the rules: what it had sent is not theirs to count.
            known.packets, known.octets, known.counted = row.packets[0], row.octets[0], True
            known.base = (known.packets, known.octets, 1)
        if len(self._flows) > MAX_KEPT:
            self._flows.popitem(last=False)
            self.dropped += 1
        return known

    def _counted(
        self, row: _Row, known: _Known, now: int
    ) -> Iterator[tuple[ReadyRule, Party, Party]]:
        """Add a flow's news to the counts of its rules; yield each with whom it counts."""
        news = {
            "packets": max(0, row.packets[0] - known.packets),
            "octets": max(0, row.octets[0] - known.octets),
            "connections": 0 if known.counted else 1,
        }
        known.packets, known.octets = row.packets[0], row.octets[0]
        is_new, known.counted = not known.counted, True
        # A handshake that was gone on with proves the source's address, from its first packet on.
        is_proven = row.protocol == _TCP and row.packets[1] > 0 and row.payload[0] > 0
        turns, known.proven = is_proven and not known.proven, known.proven or is_proven
        whole = (row.packets[0], row.octets[0], 1)
        before = dict(zip(news, map(sub, whole, known.base), strict=True))
        proven = before if turns else news if is_proven else dict.fromkeys(news, 0)
        ended = bool(row.event & Event.ENDED)
        for ready in known.rules:
            match = ready.rule.match
            by_destination = match.per == "destination"
            party = known.destination if by_destination else known.source
            count = self._count((ready.rule.name, party.ip), now)
            if match.rate is not None:
                unit, span = match.rate.unit, match.rate.seconds * _SECOND
                count.all.add(news[unit], now, span)
                count.proven.add(proven[unit], now, span)
            count.open += int(is_new) - int(ended)
            count.open_proven += int(turns) - int(ended and known.proven)
            yield ready, party, known.source if by_destination else known.destination

    def _count(self, key: tuple[str, str], now: int) -> _Count:
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(_Meter(now), _Meter(now), now)
            if len(self._counts) > MAX_KEPT:
                self._counts.popitem(last=False)
                self.dropped += 1
        self._counts.move_to_end(key)
        return count

    def _judge(
        self, key: tuple[str, str], ready: ReadyRule, party: Party, now: int
    ) -> Finding | None:
        """Return a finding where a party exceeds; each party is told once an interval."""
        match, count = ready.rule.match, self._counts.get(key)
        if count is None:
            return None
        span = (match.rate.seconds if match.rate is not None else 60) * _SECOND
        counted, forged = float(count.open), False
        if match.rate is not None:
            counted = count.all.within(now, span)
            if counted <= match.rate.count:
                return None
            forged = count.proven.within(now, span) <= match.rate.count
        if match.connections:
            if count.open <= match.connections:
                return None
            forged = forged or count.open_proven <= match.connections
        if count.told and 0 <= now - count.told < span:
            return None
        count.told = now
        return replace(_finding(ready, party, count, counted, now), spoofable=forged)


def _finding(ready: ReadyRule, party: Party, count: _Count, counted: float, now: int) -> Finding:
    rule, match = ready.rule, ready.rule.match
    attacks = match.per != "destination"
    allowed = rate_text(match.rate) if match.rate is not None else f"{match.connections} at a time"
    unit = match.rate.unit if match.rate is not None else "connections"
    does = "sends" if attacks else "is sent"
    return Finding(
        detector=RATE,
        key=f"{rule.name}/{party.ip}",
        severity=Severity.MEDIUM,
        score=1.0,
        subject=Subject(party.mac, party.ip, party.mac or party.ip),
        summary=f"{party.ip} {does} {counted:,.0f} {unit}, more than {allowed}.",
        first_seen=count.first,
        last_seen=now,
        peers=tuple(Peer(ip) for ip in count.others),
        peers_total=len(count.others),
        evidence={
            "rule": rule.name,
            "counted": round(counted),
            "allowed": allowed,
            "subject_is": ATTACKER if attacks else VICTIM,
        },
    )
