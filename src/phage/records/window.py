"""A window: what the core saw in one tick, in columns."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from phage.frozen import frozen
from phage.records.columns import FLOW, HOST, MATCH, REQUEST, SCORE, TRAFFIC, USE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records.logevent import LogEvent
    from phage.records.observation import Observation

Columns = npt.NDArray[Any]


def _empty(dtype: np.dtype[Any]) -> Columns:
    return np.empty(0, dtype=dtype)


@frozen
class Window:
    """What was seen from `start` to `end` (nanoseconds since the Unix epoch).

    `flows`, `uses`, `hosts`, `scores`, `matches`, `volumes` and `traffic` are structured arrays of
    the dtypes in `columns`; each holds at most as many rows as the core's limits allow, and
    `counters` says how many were left out. `volumes` and `traffic` are of the half-seconds that
    have ended; `requests` are counted where that is wanted, by source. `events` are those of logs;
    a window of a collector of logs has nothing else. `from_exports` tells that exporters told of
    flows, as a rule of sampled packets and each direction apart. `counters` are the totals of the
    collector with the number `collector`; `interface` is what it watches, '' for none.
    """

    start: int
    end: int
    packets: int = 0
    octets: int = 0
    flows: Columns = field(default_factory=lambda: _empty(FLOW))
    hosts: Columns = field(default_factory=lambda: _empty(HOST))
    scores: Columns = field(default_factory=lambda: _empty(SCORE))
    matches: Columns = field(default_factory=lambda: _empty(MATCH))
    volumes: Columns = field(default_factory=lambda: _empty(VOLUME))
    traffic: Columns = field(default_factory=lambda: _empty(TRAFFIC))
    requests: Columns = field(default_factory=lambda: _empty(REQUEST))
    uses: Columns = field(default_factory=lambda: _empty(USE))
    observations: tuple[Observation, ...] = ()
    events: tuple[LogEvent, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    learning: bool = False
    from_exports: bool = False
    collector: int = 0
    interface: str = ""

    @property
    def memory(self) -> int:
        """Octets that the columns take."""
        columns = (
            self.flows, self.hosts, self.scores, self.matches, self.volumes, self.traffic,
            self.requests, self.uses,
        )  # fmt: skip
        return sum(each.nbytes for each in columns)
