"""Traffic in spans of time: who sent and received how much, by which service, with whom."""

from __future__ import annotations

import enum
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import MAX_INTEGER, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.store.database import Database, Row, Value

SECOND = 1_000_000_000

SPANS = (300, 3600, 86_400)
"""Seconds of the spans in which traffic is kept: for the last hours, the last weeks, years."""

MAX_PAGE = 1000
"""Rows that one question returns at most."""

MAX_COUNT = 2**52
"""Octets or packets of a minute, at most, whatever an exporter claims: a day of them fits."""

READ = 4096
"""Rows that are read of all spans together to find the busiest: some milliseconds."""

_NUMBERS = ("packets_sent", "packets_received", "octets_sent", "octets_received", "flows")
_SAVE = (
    f"INSERT INTO traffic (span, kind, begun, name, peer, {', '.join(_NUMBERS)}) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (span, kind, begun, name, peer) DO UPDATE "
    "SET " + ", ".join(f"{name} = traffic.{name} + excluded.{name}" for name in _NUMBERS)
)
_SUMS = ", ".join(f"sum(CAST({name} AS DOUBLE PRECISION))" for name in _NUMBERS)
_OCTETS = "CAST(octets_sent AS DOUBLE PRECISION) + CAST(octets_received AS DOUBLE PRECISION)"
"""As in the index: sums of integers may be too large for one."""

_BUSIEST = (
    f"SELECT * FROM (SELECT name, peer, {_OCTETS} AS octets FROM traffic "
    f"WHERE span = ? AND kind = ? AND begun = ? ORDER BY {_OCTETS} DESC LIMIT ?) AS busiest"
)
_MAX_SELECTS = 100
"""Of the 500 that SQLite joins by UNION."""


class TrafficKind(enum.StrEnum):
    """What a row of traffic is about."""

    HOST = "host"
    """A device by its stable name, or an address: what it sent and received."""
    SERVICE = "service"
    """An application, or protocol and port ("tcp/8443")."""
    PAIR = "pair"
    """Initiator and responder of flows, named as hosts are."""


@frozen
class Traffic:
    """What was counted of one host, service or pair; at `at`, or over a time for sums.

    `[0]` of a pair was sent by the initiator, `name`; `[0]` of a host was sent by it.
    """

    kind: TrafficKind
    name: str
    peer: str = ""
    at: int = 0
    packets: tuple[int, int] = (0, 0)
    octets: tuple[int, int] = (0, 0)
    flows: int = 0


class TrafficRepository:
    """Traffic in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, traffic: Iterable[Traffic]) -> None:
        """Add to the spans in which it was."""
        rows: list[Row] = [
            (
                span,
                str(each.kind),
                _begin(each.at, span),
                storable(each.name),
                storable(each.peer),
                *(
                    max(0, min(value, MAX_COUNT))
                    for pair in (each.packets, each.octets)
                    for value in pair
                ),
                each.flows,
            )
            for each in traffic
            for span in SPANS
        ]
        if rows:
            with self._database.transaction():
                self._database.execute_many(_SAVE, rows)

    def top(self, kind: TrafficKind, since: int, until: int, limit: int = 20) -> list[Traffic]:
        """Return who had most octets in a time, added up over whole spans.

        Those who were never among the busiest of a span are not looked at: some hundreds of each
        where there are dozens of spans. Whoever is returned is added up over all spans.
        """
        limit = max(0, min(limit, MAX_PAGE))
        spans = self._spans(since, until)
        busiest = self._busiest(kind, spans, limit)
        if not busiest:
            return []
        rows = self._database.query(
            f"WITH spans (span, begun) AS (VALUES {_places(spans)}), "
            f"hosts (name, peer) AS (VALUES {_places(busiest)}), "
            "wanted AS MATERIALIZED (SELECT * FROM spans CROSS JOIN hosts) "
            # Each row is looked up by its key: SQLite keeps the order of CROSS JOIN, and
            # PostgreSQL knows how many are wanted.
            f"SELECT traffic.name, traffic.peer, 0, {_SUMS} FROM wanted CROSS JOIN traffic "
            "WHERE traffic.span = wanted.span AND traffic.kind = ? "
            "AND traffic.begun = wanted.begun AND traffic.name = wanted.name "
            "AND traffic.peer = wanted.peer GROUP BY traffic.name, traffic.peer "
            f"ORDER BY sum({_OCTETS}) DESC, traffic.name, traffic.peer",
            (*_flat(spans), *_flat(busiest), str(kind)),
        )
        return [_from_row(kind, row) for row in rows]

    def of(self, host: str, since: int, until: int, span: int = 3600) -> list[Traffic]:
        """Return the spans of one host in order; those in which it was silent are left out."""
        rows = self._database.query(
            f"SELECT name, peer, begun, {', '.join(_NUMBERS)} FROM traffic "
            "WHERE kind = 'host' AND name = ? AND span = ? AND begun >= ? AND begun < ? "
            "ORDER BY begun LIMIT ?",
            (storable(host), span, _begin(since, span), until, MAX_PAGE),
        )
        return [_from_row(TrafficKind.HOST, row) for row in rows]

    def peers(self, host: str, since: int, until: int, limit: int = 20) -> list[Traffic]:
        """Return the pairs of one host with most octets in a time."""
        name = (storable(host),)
        halves = [  # Each has an index of its own; who talks to himself is in the first.
            ("kind = 'pair' AND name = ?", name),
            ("kind = 'pair' AND peer = ? AND name <> peer", name),
        ]
        return self._sums(halves, since, until, limit)

    def _spans(self, since: int, until: int) -> list[tuple[int, int]]:
        """Return the spans of which a time is made up, as length and begin."""
        found: list[tuple[int, int]] = []
        for span, begin, end in _parts(since, until):
            first, last = (
                self._database.query(  # One by one: SQLite finds only a lone one by index.
                    "SELECT (SELECT min(begun) FROM traffic WHERE span = ?), "
                    "(SELECT max(begun) FROM traffic WHERE span = ?)",
                    (span, span),
                )[0]
            )
            if first is not None and last is not None:
                begins = range(max(begin, int(first)), min(end, int(last) + 1), span * SECOND)
                found += [(span, each) for each in begins]
        return found

    def _busiest(
        self, kind: TrafficKind, spans: Sequence[tuple[int, int]], limit: int
    ) -> list[tuple[str, str]]:
        """Return names and peers of those with most octets, counted where they were busiest."""
        sums: dict[tuple[str, str], float] = {}
        of_each = max(limit, READ // max(1, len(spans)))
        for begin in range(0, len(spans), _MAX_SELECTS):
            chunk = spans[begin : begin + _MAX_SELECTS]
            union = " UNION ALL ".join([_BUSIEST] * len(chunk))
            values = [each for span, at in chunk for each in (span, str(kind), at, of_each)]
            rows: list[tuple[Any, ...]] = list(
                self._database.query(
                    f"SELECT name, peer, sum(octets) FROM ({union}) AS spans GROUP BY name, peer",
                    values,
                )
            )
            for name, peer, octets in rows:
                sums[name, peer] = sums.get((name, peer), 0.0) + octets
        return nsmallest(limit, sums, key=lambda key: (-sums[key], key))

    def _sums(
        self, which: Sequence[tuple[str, Row]], since: int, until: int, limit: int
    ) -> list[Traffic]:
        """Return the pairs that fulfil a condition, those with most octets first."""
        selects: list[str] = []
        values: list[Value] = []
        for condition, wanted in which:
            for span, begin, end in _parts(since, until):
                selects.append(
                    f"SELECT name, peer, {', '.join(_NUMBERS)} FROM traffic "
                    f"WHERE {condition} AND span = ? AND begun >= ? AND begun < ?"
                )
                values += [*wanted, span, begin, end]
        rows = self._database.query(
            f"SELECT name, peer, 0, {_SUMS} FROM ({' UNION ALL '.join(selects)}) AS spans "
            f"GROUP BY name, peer ORDER BY sum({_OCTETS}) DESC, name, peer LIMIT ?",
            (*values, max(0, min(limit, MAX_PAGE))),
        )
        return [_from_row(TrafficKind.PAIR, row) for row in rows]


def span_for(since: int, until: int) -> int:
    """Return the span, in seconds, of which a time has some dozens."""
    seconds = (until - since) // SECOND
    if seconds <= 3 * 3600:
        return SPANS[0]
    return SPANS[1] if seconds <= 8 * 86_400 else SPANS[2]


def _parts(since: int, until: int) -> list[tuple[int, int, int]]:
    """Return spans that make up a time, each with where it begins and ends.

    Of some days, those that are whole are taken as days: there are a dozen times fewer rows.
    """
    span = span_for(since, until)
    begin, day = _begin(since, span), SPANS[2] * SECOND
    first, last = -(-begin // day) * day, until - until % day
    if span != SPANS[1] or last - first < day:
        return [(span, begin, until)]
    return [(span, begin, first), (SPANS[2], first, last), (span, last, until)]


def _places(rows: Sequence[tuple[Value, Value]]) -> str:
    """Return the places of pairs in a list of VALUES."""
    return ", ".join(["(?, ?)"] * len(rows))


def _flat(rows: Sequence[tuple[Value, Value]]) -> Iterator[Value]:
    return (value for row in rows for value in row)


def _begin(moment: int, span: int) -> int:
    return moment - moment % (span * SECOND)


def _from_row(kind: TrafficKind, row: tuple[Any, ...]) -> Traffic:
    name, peer, at, *numbers = row
    sent, received, octets_sent, octets_received, flows = (
        min(int(number), MAX_INTEGER)  # PostgreSQL's sums are of any length.
        for number in numbers
    )
    return Traffic(kind, name, peer, at, (sent, received), (octets_sent, octets_received), flows)
