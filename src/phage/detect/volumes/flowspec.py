"""Which packets to filter: few patterns that cover an attack and spare what was there before.

Greedy set cover over what distinguishes packets at a router (RFC 8955: protocol, ports, length, TCP
flags, fragment). What a pattern costs is its share of the target's traffic before the attack;
one that costs more than 5 % is not suggested.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from phage.frozen import frozen
from phage.records.columns import TrafficClass
from phage.records.decision import Pattern

if TYPE_CHECKING:
    from phage.records import Columns

ENOUGH = 0.95
"""Part of the attack that patterns are to cover."""

MOST_COLLATERAL = 0.05
"""Part of earlier traffic that a pattern may hit."""

MOST_PATTERNS = 8
_LEAST_GAIN = 0.02
"""A pattern that covers less more is not worth a rule of a router."""

_FIXED = 0.9
"""A port or length range that carries so much of a kind of packet belongs to its pattern."""

_KINDS_OF_FLAGS = 0x17
"""FIN, SYN, RST and ACK: what tells kinds of segments."""


@frozen
class Suggestion:
    """A pattern with what it is worth.

    Attributes:
        pattern: Which packets.
        covers: Part of the attack that it covers and no earlier pattern does.
        collateral: Part of the target's traffic before the attack that it would hit.
    """

    pattern: Pattern
    covers: float
    collateral: float


@frozen
class Cover:
    """Patterns against an attack.

    Attributes:
        suggestions: The patterns, the one that covers most first.
        covers: Part of the attack that they cover together.
        collateral: Part of earlier traffic that they hit together.
        refused: Patterns that would have hit too much.
        earlier: Rows of earlier traffic that this was judged by; 0 makes it a guess.
    """

    suggestions: tuple[Suggestion, ...]
    covers: float
    collateral: float
    refused: int
    earlier: int


def cover(attack: Columns, before: Columns) -> Cover:
    """Return patterns against an attack, given its traffic and its target's from before."""
    if not len(attack):
        return Cover((), 0.0, 0.0, 0, len(before))
    weights = attack["packets"].astype(np.float64)
    total = max(float(weights.sum()), 1.0)
    costs = before["packets"].astype(np.float64)
    cost_total = max(float(costs.sum()), 1.0)
    left = np.ones(len(attack), bool)
    hit = np.zeros(len(before), bool)
    options: list[tuple[Pattern, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = []
    refused = 0
    for pattern in candidates(attack):
        cost = matching(before, pattern)
        if len(before) and float(costs[cost].sum()) / cost_total > MOST_COLLATERAL:
            refused += 1
        else:
            options.append((pattern, matching(attack, pattern), cost))
    chosen: list[Suggestion] = []
    while options and len(chosen) < MOST_PATTERNS and float(weights[left].sum()) > 0.05 * total:
        gains = [float(weights[left & mine].sum()) / total for _, mine, _ in options]
        place = max(range(len(options)), key=lambda each: (round(gains[each], 3), -each))
        if gains[place] < _LEAST_GAIN:
            break
        pattern, mine, cost = options[place]
        collateral = float(costs[cost].sum()) / cost_total if len(before) else 0.0
        chosen.append(Suggestion(pattern, gains[place], collateral))
        left &= ~mine
        hit |= cost
    covered = 1.0 - float(weights[left].sum()) / total
    together = float(costs[hit].sum()) / cost_total if len(before) else 0.0
    return Cover(tuple(chosen), covered, together, refused, len(before))


def candidates(attack: Columns) -> list[Pattern]:
    """Return patterns for the kinds of packets that an attack consists of, the narrowest first."""
    found: dict[Pattern, None] = {}
    for protocol in _heavy(attack, "protocol", 16):
        rows = attack[attack["protocol"] == protocol]
        for kind in _heavy(rows, "class", 4):
            mine = rows[rows["class"] == kind]
            found.update(dict.fromkeys(_of_kind(mine, int(protocol), TrafficClass(int(kind)))))
    return list(found)


def _of_kind(rows: Columns, protocol: int, kind: TrafficClass) -> list[Pattern]:
    if kind is TrafficClass.FRAGMENT:
        return [Pattern(protocol, fragments=True)]
    flags: tuple[int, int] | None = None
    if protocol == 6:
        top = _heavy(rows, "flags", 1)
        flags = (_KINDS_OF_FLAGS, int(top[0]) & _KINDS_OF_FLAGS) if top else None
    ported = protocol in {6, 17}
    sources: list[tuple[tuple[int, int], ...]] = [()]
    targets: list[tuple[tuple[int, int], ...]] = [()]
    if ported:
        most = 4 if kind is TrafficClass.REPLY else 2
        sources = [*_ports(rows, "src_port", most), *sources]
        targets = [*_ports(rows, "dst_port", 2), *targets]
    lengths = [span, ()] if (span := _lengths(rows)) else [()]
    return [
        Pattern(protocol, ports=dst, source_ports=src, tcp_flags=flags, lengths=length)
        for src, dst, length in product(sources, targets, lengths)
        # Without any of these it would be all of a protocol: the last resort, for a flood of it.
        if src or dst or length or flags or not ported or kind is TrafficClass.UDP
    ]


def _ports(rows: Columns, name: str, most: int) -> list[tuple[tuple[int, int], ...]]:
    """Return ports that carry a part of the packets worth a pattern, one each."""
    total = float(rows["packets"].sum())
    return [
        ((port, port),)
        for port in _heavy(rows, name, most)
        if float(rows["packets"][rows[name] == port].sum()) >= 0.05 * total
    ]


def _lengths(rows: Columns) -> tuple[tuple[int, int], ...]:
    """Return the range of lengths of nearly all packets, if it is a narrow one."""
    lengths = np.sort(rows["length"])
    low = int(lengths[int(len(lengths) * (1 - _FIXED) / 2)])
    high = int(lengths[min(len(lengths) - 1, int(len(lengths) * (1 + _FIXED) / 2))])
    return ((low, high),) if high - low <= 64 and low > 0 else ()


def _heavy(rows: Columns, name: str, most: int) -> list[int]:
    """Return the values of a column that carry most packets."""
    values, inverse = np.unique(rows[name], return_inverse=True)
    sums = np.bincount(inverse, rows["packets"].astype(np.float64))
    return [int(values[place]) for place in np.argsort(-sums, kind="stable")[:most]]


def matching(rows: Columns, pattern: Pattern) -> npt.NDArray[np.bool_]:
    """Tell which rows a pattern means."""
    found = np.ones(len(rows), bool)
    if pattern.protocol is not None:
        found &= rows["protocol"] == pattern.protocol
    for name, ranges in (
        ("dst_port", pattern.ports),
        ("src_port", pattern.source_ports),
        ("length", pattern.lengths),
    ):
        if ranges:
            inside = np.zeros(len(rows), bool)
            for low, high in ranges:
                inside |= (rows[name] >= low) & (rows[name] <= high)
            found &= inside
    if pattern.tcp_flags is not None:
        mask, value = pattern.tcp_flags
        found &= (rows["flags"] & mask) == value
    if pattern.fragments:
        found &= rows["class"] == TrafficClass.FRAGMENT
    return found
