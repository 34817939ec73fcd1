"""What exporters tell of flows, for detectors that are made for flows of packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.records import Window
from phage.records.columns import Event

if TYPE_CHECKING:
    from phage.records import Columns

_TCP = 6
_ACK = 16

FEWEST = 20
"""Connections that have to be seen before anything is said of a view."""
TWO_WAY = 0.8
"""Part of them with both directions: a router between two providers sees few, a gateway all."""
_MEMORY = 2048
"""Connections after which what was seen counts half."""


@dataclass(slots=True)
class Exported:
    """Makes of a window of exports one of flows that are over.

    An exporter tells of a flow when it ends or after a minute, of each direction apart and in any
    order: until a flow is over, a direction that is missing means nothing. Nor does it where a
    router sees one direction only, or looks at some packets only. Whether both are seen is read
    from connections: who acknowledged was answered. Where they are not, only the flags of TCP tell
    that nobody answered, and flows of other protocols without an answer are left out.
    """

    _whole: float = field(default=0.0, init=False)
    _half: float = field(default=0.0, init=False)

    @property
    def is_two_way(self) -> bool:
        """Whether both directions of connections are seen."""
        seen = self._whole + self._half
        return seen >= FEWEST and self._whole >= TWO_WAY * seen

    def over(self, window: Window) -> Window:
        """Return a window of the flows that are over, without what nothing follows from."""
        flows = window.flows
        ended = flows[(flows["event"] & Event.ENDED) != 0]
        answered = ended["packets"].all(axis=1)
        self._look_at(ended, answered)
        if not self.is_two_way:
            ended = ended[answered | (ended["protocol"] == _TCP)]
        return Window(
            window.start,
            window.end,
            flows=ended,
            counters=window.counters,
            learning=window.learning,
            from_exports=True,
        )

    def _look_at(self, ended: Columns, answered: Columns) -> None:
        flags = np.bitwise_or.reduce(ended["flags"], axis=1)
        connections = (ended["protocol"] == _TCP) & ((flags & _ACK) != 0)
        count = int(connections.sum())
        whole = int((connections & answered).sum())
        keep = 0.5 ** (count / _MEMORY)
        self._whole = self._whole * keep + whole
        self._half = self._half * keep + (count - whole)
