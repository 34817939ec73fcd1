"""What a slot adds to an attack: rates, vectors, sources, some of its traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.detect.volumes.episodes import Beat
from phage.detect.volumes.measures import (
    PACKETS,
    SLOTS_A_SECOND,
    SOURCES,
    octets_column,
    packets_column,
)
from phage.detect.volumes.suspects import shares_group, vectors_of
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from phage.detect.volumes.measures import Slot
    from phage.detect.volumes.suspects import Suspect
    from phage.learn.baseline import Learned
    from phage.records import Columns

_SHOWN_ROWS = 256
"""Rows of traffic of a slot that are added up for the tops."""


def beat_of(suspect: Suspect, shown: Columns, slot: Slot, learned: Learned, *, sent: bool) -> Beat:
    """Return what a slot says of a suspect, whose latest traffic is `shown`."""
    mine = shown[np.isin(shown["class"], list(suspect.classes))]
    now = mine[mine["time"] == slot.time]
    step = max(1, len(now) // _SHOWN_ROWS)
    rate = bits = 0.0
    vectors: dict[str, float] = {}
    for each in suspect.kinds:
        rates = slot.slow if each.slow else slot.fast
        column = packets_column(each.kind, sent=sent)
        at = each.row
        excess = max(float(rates[at, column] - learned.mean[at, column]), 0.0)
        rate += excess
        group = octets_column(each.kind, sent=sent)
        columns = [c for c in range(PACKETS) if shares_group(c, group, sent=sent)]
        total = max(float(rates[at, columns].sum()), 1.0)
        bits += 8.0 * float(rates[at, group]) * excess / total
        for name, share in vectors_of(each, mine, sent=sent).items():
            vectors[name] = vectors.get(name, 0.0) + excess * share
    return Beat(
        time=slot.time,
        packets=rate / SLOTS_A_SECOND,
        octets=bits / 8 / SLOTS_A_SECOND,
        rate=rate,
        bits=bits,
        vectors=vectors,
        sources=_peers(slot, suspect.row, mine, sent=sent),
        hosts=int(slot.rows["hosts"][suspect.row]),
        rows=now[::step],
        kinds=suspect.classes,
        why=suspect.why,
    )


def _peers(slot: Slot, row: int, mine: Columns, *, sent: bool) -> float:
    shown = float(len(distinct(mine["dst" if sent else "src"])))
    return shown if sent else max(min(float(slot.fast[row, SOURCES]), 1e9) * (shown > 8), shown)
