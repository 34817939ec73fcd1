"""What is too much and has no excuse, gathered by target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.volumes.measures import PACKETS, octets_column, packets_column
from phage.detect.volumes.vectors import names_of
from phage.frozen import frozen
from phage.records.columns import TrafficClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.detect.volumes.episodes import Why
    from phage.detect.volumes.excess import TooMuch
    from phage.detect.volumes.measures import Floats, Slot
    from phage.detect.volumes.targets import Target
    from phage.learn.baseline import Learned
    from phage.records import Columns


@frozen
class Suspect:
    """What is too much and has no excuse, of one target in one direction."""

    target: Target
    kinds: tuple[TooMuch, ...]
    excess: float
    row: int

    @property
    def classes(self) -> frozenset[int]:
        """The classes of its traffic."""
        return frozenset(int(each.kind) for each in self.kinds)

    @property
    def why(self) -> Why:
        """The gravest of its reasons."""
        return max((each.why for each in self.kinds), key=gravity)


def one_name(
    judged: Sequence[TooMuch], slow: Sequence[TooMuch], pending: Sequence[int]
) -> list[TooMuch]:
    """Join floods with what is low and slow: a flood by any measure is one, else it is slow."""
    segments = (TrafficClass.TCP, TrafficClass.SYN)
    kept = [
        each
        for each in judged
        if each.sent
        or each.why.by != "baseline"
        or each.row not in pending
        or each.kind not in segments
    ]
    flooded = {each.row for each in kept if not each.sent}
    return kept + [each for each in slow if each.row not in flooded]


def gravity(why: Why) -> tuple[int, float]:
    """Return how much a reason weighs: thresholds before signatures, experience, slowness."""
    ranks = {"threshold": 3, "signature": 2, "baseline": 1, "slow": 0}
    return ranks[why.by], why.value / max(why.limit, 1.0)


def vectors_of(each: TooMuch, rows: Columns, *, sent: bool) -> dict[str, float]:
    """Return the vectors of what is too much with their shares; slow ones are what they measure."""
    return (
        {each.why.measure: 1.0} if each.why.by == "slow" else names_of(rows, each.kind, sent=sent)
    )


def shares_group(column: int, group: int, *, sent: bool) -> bool:
    """Tell whether the packets of a column are among those whose octets a group counts."""
    kinds = PACKETS // 2
    return column // kinds == int(sent) and octets_column(column % kinds, sent=sent) == group


def suspects_of(
    slot: Slot, learned: Learned, judged: Sequence[TooMuch], *, sent: bool
) -> dict[Target, Suspect]:
    """Return the suspects of one direction by target."""
    rows: dict[Target, tuple[int, dict[int, TooMuch]]] = {}
    for each in judged:
        if each.sent != sent:
            continue
        # A host and its services are one target: of a class the gravest reason counts.
        _, kinds = rows.setdefault(slot.target(each.row), (slot.host_row(each.row), {}))
        known = kinds.get(each.kind)
        if known is None or gravity(each.why) > gravity(known.why):
            kinds[each.kind] = each
    return {
        target: Suspect(
            target, tuple(kinds.values()), excess_of(slot, learned, tuple(kinds.values())), row
        )
        for target, (row, kinds) in rows.items()
    }


def excess_of(slot: Slot, learned: Learned, kinds: Sequence[TooMuch]) -> float:
    """Return how many packets a second of these kinds are more than usual."""
    total = 0.0
    for each in kinds:
        rates: Floats = slot.slow if each.slow else slot.fast
        column = packets_column(each.kind, sent=each.sent)
        total += max(float(rates[each.row, column] - learned.mean[each.row, column]), 1.0)
    return total
