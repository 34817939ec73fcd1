"""The shape of many SYNs at one host: a scan asks each port once, a flood does not care.

Computed from the columns as a whole, so that a window of 16,384 rows costs a millisecond or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.records.columns import Event
from phage.records.distinct import distinct

if TYPE_CHECKING:
    from phage.records import Columns, Window

# Fewer unanswered SYNs at one host in a window (a quarter of a second) are no flood that hurts, and
# too few to tell a flood's random ports from a scan's: of n random ports n/131,072 are expected
# twice.
FEWEST = 100
# The hosts with the most SYNs that are looked at.
MOST_VICTIMS = 8
_PORTS = 65_536
_YOUNG = 1_000_000_000
_SYN, _ACK = 2, 16


@frozen
class SynShape:
    """SYNs that reached one host in one window, as far as the rows show them.

    `flows` counts connections begun and not completed; `sources`, `ports`, `source_ports` and
    `questions` (of a source for a port) are distinct counts of them; `packets` counts their
    packets; `completed` counts the connections of this and the last second that were completed.
    """

    victim: bytes
    victim_mac: int
    home: bool
    flows: int
    packets: int
    sources: int
    ports: int
    source_ports: int
    questions: int
    completed: int
    top_port: int
    source: bytes
    source_mac: int
    source_home: bool
    source_macs: int

    @property
    def is_scan(self) -> bool:
        """Tell whether one source or a few ask port after port, each once, as scanners do."""
        if self.sources > max(4, self.flows // 50) or self.ports <= max(8, self.flows // 20):
            return False
        if self.source_ports <= max(16, self.flows // 50):
            # nmap and masscan send from one port or a few; a flood must vary what it can.
            return True
        # A connect scan has a source port for each port and asks none twice. Random ports repeat.
        room = _PORTS * self.sources
        expected = room * (1.0 - np.exp(-self.flows / room))
        repeated = self.flows - self.questions
        return bool(repeated < 0.3 * (self.flows - expected))

    @property
    def is_flood(self) -> bool:
        """Tell whether the SYNs are many, mostly not completed, and no scan's."""
        return self.flows >= FEWEST and self.completed < self.flows // 4 and not self.is_scan


def _hash(addresses: Columns) -> Columns:
    words = np.ascontiguousarray(addresses).view("<u8").reshape(-1, 2)
    mixed = (words[:, 0] ^ (words[:, 0] >> np.uint64(29))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ words[:, 1]) * np.uint64(0x94D0_49BB_1331_11EB)
    hashed: Columns = mixed
    return hashed


def syn_shapes(window: Window) -> tuple[SynShape, ...]:
    """Return the shapes of the hosts with the most unanswered SYNs, each with at least `FEWEST`."""
    columns = window.flows
    if len(columns) < FEWEST:
        return ()
    tcp = columns["protocol"] == 6
    started = tcp & ((columns["event"] & Event.STARTED) != 0)
    flags = columns["flags"]
    asked = (flags[:, 0] & _SYN) != 0
    acknowledged = (flags[:, 0] & _ACK) != 0
    open_syn = started & asked & ~acknowledged
    if int(open_syn.sum()) < FEWEST:
        return ()
    # A handshake over a long way ends in a later window than it begins in.
    young = tcp & (columns["start"] >= window.start - _YOUNG)
    done = young & asked & acknowledged & ((flags[:, 1] & _SYN) != 0)
    rows = columns[open_syn]
    victims = _hash(rows["dst"])
    values, first, counts = np.unique(victims, return_index=True, return_counts=True)
    busiest = np.lexsort((values, -counts))[:MOST_VICTIMS]
    done_victims = _hash(columns["dst"][done])
    shapes = [
        _shape(
            rows[victims == values[at]], rows[first[at]], int((done_victims == values[at]).sum())
        )
        for at in busiest.tolist()
        if counts[at] >= FEWEST
    ]
    return tuple(shapes)


def _shape(rows: Columns, victim: Columns, completed: int) -> SynShape:
    ports, port_counts = np.unique(rows["dst_port"], return_counts=True)
    by_source = _hash(rows["src"])
    sources, at, counts = np.unique(by_source, return_index=True, return_counts=True)
    questions = by_source + rows["dst_port"] * np.uint64(0x9E37_79B9_7F4A_7C15)
    main = rows[at[np.lexsort((sources, -counts))[0]]]
    return SynShape(
        victim=bytes(victim["dst"]),
        victim_mac=int(victim["dst_mac"]),
        home=bool(victim["home"] & 2),
        flows=len(rows),
        packets=int(rows["packets"][:, 0].sum()),
        sources=len(sources),
        ports=len(ports),
        source_ports=len(distinct(rows["src_port"])),
        questions=len(distinct(questions)),
        completed=completed,
        top_port=int(ports[int(np.argmax(port_counts))]),
        source=bytes(main["src"]),
        source_mac=int(main["src_mac"]),
        source_home=bool(main["home"] & 1),
        source_macs=len(distinct(rows["src_mac"])),
    )


_last: list[tuple[Window | None, tuple[SynShape, ...]]] = [(None, ())]


def shapes_of(window: Window) -> tuple[SynShape, ...]:
    """Return the shapes of a window, computed at most once in a row."""
    known, shapes = _last[0]
    if known is not window:
        shapes = syn_shapes(window)
        _last[0] = (window, shapes)
    return shapes
