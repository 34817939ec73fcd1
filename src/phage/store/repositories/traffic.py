"""Traffic in spans of time: who sent and received how much, by which service, with whom."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.store.repositories.text import MAX_INTEGER, storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.store.database import Database, Row, Value

SECOND = 1_000_000_000

SPANS = (300, 3600, 86_400)
"""Seconds of the spans in which traffic is kept: for the last hours, the last weeks, years."""

MAX_PAGE = 1000
"""Rows that one question returns at most."""

_NUMBERS = ("packets_sent", "packets_received", "octets_sent", "octets_received", "flows")
_SAVE = (
    f"INSERT INTO traffic (span, kind, begun, name, peer, {', '.join(_NUMBERS)}) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (span, kind, begun, name, peer) DO UPDATE "
    "SET " + ", ".join(f"{name} = traffic.{name} + excluded.{name}" for name in _NUMBERS)
)
_SUMS = ", ".join(f"sum({name})" for name in _NUMBERS)


class TrafficKind(enum.StrEnum):
    """What a row of traffic is about."""

    HOST = "host"
    """A device by its stable name, or an address: what it sent and received."""
    SERVICE = "service"
    """An application, or protocol and port ("tcp/8443")."""
    PAIR = "pair"
    """Initiator and responder of flows, named as hosts are."""


@dataclass(frozen=True, slots=True)
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
                    storable_integer(value)
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
        """Return who had most octets in a time, added up over whole spans."""
        return self._sums(kind, [("kind = ?", (str(kind),))], since, until, limit)

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
        return self._sums(TrafficKind.PAIR, halves, since, until, limit)

    def _sums(
        self,
        kind: TrafficKind,
        which: Sequence[tuple[str, Row]],
        since: int,
        until: int,
        limit: int,
    ) -> list[Traffic]:
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
            "GROUP BY name, peer "
            "ORDER BY sum(octets_sent + octets_received) DESC, name, peer LIMIT ?",
            (*values, max(0, min(limit, MAX_PAGE))),
        )
        return [_from_row(kind, row) for row in rows]


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


def _begin(moment: int, span: int) -> int:
    return moment - moment % (span * SECOND)


def _from_row(kind: TrafficKind, row: tuple[Any, ...]) -> Traffic:
    name, peer, at, *numbers = row
    sent, received, octets_sent, octets_received, flows = (
        min(int(number), MAX_INTEGER)  # PostgreSQL's sums are of any length.
        for number in numbers
    )
    return Traffic(kind, name, peer, at, (sent, received), (octets_sent, octets_received), flows)
