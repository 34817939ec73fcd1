"""Flows: saved in batches, listed newest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from phage.records.flow import Flow
from phage.store.repositories.order import KeyValues, Order
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.store.database import Database, Row, Value

MAX_PAGE = 100_000
"""Flows that one question returns at most."""

ADDRESS_PAGE = 10_000
"""Addresses that are read at a time."""

_NAMES = (
    "begun", "id", "last_seen", "src", "dst", "src_port", "dst_port", "protocol", "src_mac",
    "dst_mac", "vlan", "packets_sent", "packets_received", "octets_sent", "octets_received",
    "payload_sent", "payload_received", "flags_sent", "flags_received", "handshake", "state",
    "end_reason", "application", "ended",
)  # fmt: skip
_COLUMNS = ", ".join(_NAMES)
_NEWEST = "ORDER BY last_seen DESC, id DESC LIMIT ?"
_SAVE = (
    f"INSERT INTO flows ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))}) "
    "ON CONFLICT (begun, id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in {"begun", "id"})
)


ORDERS: dict[str, Order[Flow]] = {
    "last": Order(("last_seen", "id"), (int, int), lambda each: (each.last, each.id)),
}
"""By when they were last seen."""


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """Which flows are wanted; what is empty does not narrow. Times are nanoseconds.

    `before` are the values by which the last flow of the page before was sorted.
    """

    host: str = ""
    port: int | None = None
    protocol: int | None = None
    application: str = ""
    since: int | None = None
    until: int | None = None
    before: KeyValues | None = None


class FlowRepository:
    """Flows in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, flows: Iterable[Flow]) -> None:
        """Insert flows, or update those that are there (by start and id)."""
        latest = {(flow.start, flow.id): flow for flow in flows}
        if not latest:
            return
        with self._database.transaction():
            self._database.execute_many(_SAVE, [_to_row(flow) for flow in latest.values()])

    def list(self, wanted: FlowFilter = FlowFilter(), limit: int = 100) -> list[Flow]:
        """Return flows, those seen last first."""
        most = max(0, min(limit, MAX_PAGE))
        if wanted.host:
            rows = self._of_host(wanted, most)
        else:
            where, parameters = _where(wanted)
            sql = f"SELECT {_COLUMNS} FROM flows{where} {_NEWEST}"
            rows = self._database.query(sql, (*parameters, most))
        return [_from_row(row) for row in rows]

    def _of_host(self, wanted: FlowFilter, most: int) -> Sequence[Row]:
        """Ask for either side by its own index: one condition for both would sort all flows."""
        where, values = _where(replace(wanted, host=""))
        more = f"{where} AND" if where else " WHERE"
        begin = f"SELECT * FROM (SELECT {_COLUMNS} FROM flows{more}"
        sides = " UNION ".join(
            f"{begin} {column} = ? {_NEWEST}) AS {column}_" for column in _host_columns(wanted.host)
        )
        side = (*values, storable(wanted.host.lower()), most)
        return self._database.query(f"{sides} {_NEWEST}", (*side, *side, most))

    def addresses(self, since: int) -> Iterator[Sequence[str]]:
        """Yield all addresses that were an end of a flow since a time, a page after the other."""
        for column in ("src", "dst"):
            after = ""
            while True:
                rows = self._database.query(
                    f"SELECT DISTINCT {column} FROM flows WHERE {column} > ? AND last_seen >= ? "
                    f"ORDER BY {column} LIMIT {ADDRESS_PAGE}",
                    (after, since),
                )
                if rows:
                    yield [str(row[0]) for row in rows]
                if len(rows) < ADDRESS_PAGE:
                    break
                after = str(rows[-1][0])

    def count(self, wanted: FlowFilter = FlowFilter()) -> int:
        """Return how many flows there are."""
        where, parameters = _where(wanted)
        return int(
            self._database.query(f"SELECT count(*) FROM flows{where}", parameters)[0][0] or 0
        )


def _where(wanted: FlowFilter) -> tuple[str, list[Value]]:
    conditions: list[str] = []
    parameters: list[Value] = []

    def need(condition: str, *values: Value) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if wanted.host:
        host = storable(wanted.host.lower())
        need(f"({' = ? OR '.join(_host_columns(wanted.host))} = ?)", host, host)
    if wanted.port is not None:
        need("(src_port = ? OR dst_port = ?)", wanted.port, wanted.port)
    if wanted.protocol is not None:
        need("protocol = ?", wanted.protocol)
    if wanted.application:
        need("application = ?", storable(wanted.application))
    if wanted.since is not None:
        need("last_seen >= ?", wanted.since)
    if wanted.until is not None:
        need("begun < ?", wanted.until)
    if wanted.before is not None:
        need(ORDERS["last"].following, *wanted.before)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _host_columns(host: str) -> tuple[str, str]:
    """Return the columns in which a host is looked for: those of addresses, or of MACs."""
    is_mac = host.count(":") == 5 and "::" not in host
    return ("src_mac", "dst_mac") if is_mac else ("src", "dst")


def _to_row(flow: Flow) -> Row:
    return (
        storable_integer(flow.start),
        flow.id,
        storable_integer(flow.last),
        storable(flow.src),
        storable(flow.dst),
        flow.src_port,
        flow.dst_port,
        flow.protocol,
        storable(flow.src_mac),
        storable(flow.dst_mac),
        flow.vlan,
        *(
            storable_integer(value)
            for pair in (flow.packets, flow.octets, flow.payload, flow.flags)
            for value in pair
        ),
        flow.handshake,
        flow.state,
        flow.end_reason,
        storable(flow.application),
        int(flow.ended),
    )


def _from_row(row: Row) -> Flow:
    values: tuple[Any, ...] = row
    return Flow(
        start=values[0],
        id=values[1],
        last=values[2],
        src=values[3],
        dst=values[4],
        src_port=values[5],
        dst_port=values[6],
        protocol=values[7],
        src_mac=values[8],
        dst_mac=values[9],
        vlan=values[10],
        packets=(values[11], values[12]),
        octets=(values[13], values[14]),
        payload=(values[15], values[16]),
        flags=(values[17], values[18]),
        handshake=values[19],
        state=values[20],
        end_reason=values[21],
        application=values[22],
        ended=bool(values[23]),
    )
