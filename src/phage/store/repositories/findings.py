"""Findings: saved by id, listed newest first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.records import Feature, Finding, FindingState, Peer, Severity, Subject
from phage.store.repositories.order import KeyValues, Order
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from phage.store.database import Database, Row, Value

MAX_PAGE = 10_000
"""Findings that one question returns at most."""

MAX_PARTIES = 64
"""Addresses by which one finding can be found; a scan of a whole network has more."""

_COLUMNS = (
    "id, detector, attack, severity, score, state, device, mac, ip, summary, first_seen, "
    "last_seen, packets, occurrences, peers_total, spoofable, capture, body"
)
_UPDATES = ", ".join(
    f"{name.strip()} = excluded.{name.strip()}"
    for name in _COLUMNS.split(",")
    if name.strip() != "id"
)
_SAVE = (
    f"INSERT INTO findings ({_COLUMNS}) VALUES ({', '.join('?' * 18)}) "
    f"ON CONFLICT (id) DO UPDATE SET {_UPDATES}"
)


ORDERS: dict[str, Order[Finding]] = {
    "last_seen": Order(("last_seen", "id"), (int, str), lambda each: (each.last_seen, each.id)),
    "first_seen": Order(("first_seen", "id"), (int, str), lambda each: (each.first_seen, each.id)),
    "severity": Order(
        ("severity", "last_seen", "id"),
        (int, int, str),
        lambda each: (each.severity.rank, each.last_seen, each.id),
    ),
}
"""By when they were last seen, begun, or by how bad they are."""


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are wanted.

    What is empty does not narrow, but for merged ones: they are left out.

    `party` is an address or MAC of subject or peer, `device` the stable name of the subject. Times
    are nanoseconds; `after` is the id of the last finding of the page before. `order` is one of
    ORDERS, `before` the values by which the last finding of the page before was sorted.
    """

    detector: str = ""
    severity: Severity | None = None
    state: FindingState | None = None
    device: str = ""
    party: str = ""
    since: int | None = None
    until: int | None = None
    after: str = ""
    order: str = "last_seen"
    before: KeyValues | None = None


class FindingRepository:
    """Findings in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, findings: Iterable[Finding]) -> None:
        """Insert findings, or update those whose id is there."""
        latest = {finding.id: finding for finding in findings}
        if not latest:
            return
        with self._database.transaction():
            self._database.execute_many(_SAVE, [_to_row(finding) for finding in latest.values()])
            self._database.execute_many(
                "INSERT INTO finding_parties (finding, party) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [
                    (storable(finding.id), party)
                    for finding in latest.values()
                    for party in _parties(finding)
                ],
            )

    def get(self, id: str) -> Finding | None:  # noqa: A002  The field's name.
        """Return the finding with an id, or with the only id that begins so.

        None where there is none.
        """
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM findings WHERE id = ?", (storable(id),)
        )
        if not rows and len(id) >= 4:
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM findings WHERE substr(id, 1, ?) = ? LIMIT 2",
                (len(id), storable(id)),
            )
        return _from_row(rows[0]) if len(rows) == 1 else None

    def list(self, wanted: FindingFilter = FindingFilter(), limit: int = 100) -> list[Finding]:
        """Return findings in the order that is wanted, descending."""
        where, parameters = _where(wanted)
        order = ORDERS[wanted.order].clause
        sql = f"SELECT {_COLUMNS} FROM findings{where} ORDER BY {order} LIMIT ?"
        rows = self._database.query(sql, (*parameters, max(0, min(limit, MAX_PAGE))))
        return [_from_row(row) for row in rows]

    def related(self, finding: Finding, limit: int = 20) -> Sequence[Finding]:
        """Return other findings that share a party with one, newest first."""
        parties = _parties(finding)
        if not parties:
            return []
        marks = ", ".join("?" * len(parties))
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM findings WHERE id <> ? AND state <> 'merged' AND id IN "
            f"(SELECT finding FROM finding_parties WHERE party IN ({marks})) "
            "ORDER BY last_seen DESC, id DESC LIMIT ?",
            (storable(finding.id), *parties, max(0, min(limit, MAX_PAGE))),
        )
        return [_from_row(row) for row in rows]

    def over_time(self, since: int, until: int, step: int) -> Sequence[tuple[int, Severity, int]]:
        """Return how many began in each step of a time, by severity; empty steps are left out.

        Times and step are in nanoseconds.
        """
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT first_seen / {step:d} * {step:d} AS at, severity, count(*) FROM findings "
                "WHERE first_seen >= ? AND first_seen < ? AND state <> 'merged' "
                f"GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {MAX_PAGE}",
                (since, until),
            )
        )
        return [(at, list(Severity)[rank], count) for at, rank, count in rows]

    def count(self, wanted: FindingFilter = FindingFilter()) -> int:
        """Return how many findings there are."""
        where, parameters = _where(wanted)
        rows = self._database.query(f"SELECT count(*) FROM findings{where}", parameters)
        return int(rows[0][0] or 0)

    def by_device(self, detector: str, since: int) -> Sequence[tuple[str, int]]:
        """Return how many findings of a detector began since a time, by device; the most first."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT device, count(*) FROM findings WHERE detector = ? AND last_seen >= ? "
                "AND first_seen >= ? AND state <> 'merged' GROUP BY device "
                f"ORDER BY 2 DESC, 1 LIMIT {MAX_PAGE}",
                (storable(detector), since, since),
            )
        )
        return [(str(device), int(count)) for device, count in rows]


def _where(wanted: FindingFilter) -> tuple[str, list[Value]]:
    conditions: list[str] = []
    parameters: list[Value] = []

    def need(condition: str, *values: Value) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if wanted.detector:
        need("detector = ?", storable(wanted.detector))
    if wanted.severity is not None:
        need("severity >= ?", wanted.severity.rank)
    if wanted.state is not None:
        need("state = ?", str(wanted.state))
    else:
        need("state <> ?", str(FindingState.MERGED))
    if wanted.device:
        need("device = ?", storable(wanted.device))
    if wanted.party:
        need(
            "id IN (SELECT finding FROM finding_parties WHERE party = ?)",
            storable(wanted.party.lower()),
        )
    if wanted.since is not None:
        need("last_seen >= ?", wanted.since)
    if wanted.until is not None:
        need("first_seen < ?", wanted.until)
    _begin(wanted, need)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _begin(wanted: FindingFilter, need: Callable[..., None]) -> None:
    """Leave out what stood on the pages before."""
    if wanted.before is not None:
        need(ORDERS[wanted.order].following, *wanted.before)
    if wanted.after:
        need(
            "(last_seen, id) < (SELECT last_seen, id FROM findings WHERE id = ?)",
            storable(wanted.after),
        )


def _parties(finding: Finding) -> list[str]:
    subject = finding.subject
    names = [subject.mac, subject.ip, subject.device]
    for peer in finding.peers:
        names += [peer.ip, peer.mac]
    found = dict.fromkeys(storable(name.lower()) for name in names if name)
    return list(found)[:MAX_PARTIES]


def _to_row(finding: Finding) -> Row:
    subject = finding.subject
    return (
        storable(finding.id),
        storable(finding.detector),
        storable(finding.key),
        finding.severity.rank,
        finding.score if math.isfinite(finding.score) else 0.0,
        str(finding.state),
        storable(subject.device),
        storable(subject.mac),
        storable(subject.ip),
        storable(finding.summary),
        storable_integer(finding.first_seen),
        storable_integer(finding.last_seen),
        storable_integer(finding.packets),
        storable_integer(finding.count),
        storable_integer(finding.peers_total),
        int(finding.spoofable),
        storable(finding.capture),
        json.dumps(_body(finding), default=str),
    )


def _body(finding: Finding) -> dict[str, object]:
    return {
        "peers": [[peer.ip, peer.mac, list(peer.services)] for peer in finding.peers],
        "evidence": {str(name): _finite(value) for name, value in finding.evidence.items()},
        "features": [
            [
                feature.name,
                _finite(feature.value),
                _finite(feature.expected_low),
                _finite(feature.expected_high),
                feature.unit,
                _finite(feature.weight),
                feature.meaning,
            ]
            for feature in finding.features
        ],
        "related": list(finding.related),
    }


def _finite(value: object) -> object:
    """Return a value that JSON can hold: "inf" and "nan" as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    if hasattr(value, "item") and callable(value.item):  # A NumPy scalar.
        return _finite(value.item())
    return value


def _from_row(row: Row) -> Finding:
    values: tuple[Any, ...] = row
    body: dict[str, Any] = json.loads(values[17])
    return Finding(
        id=values[0],
        detector=values[1],
        key=values[2],
        severity=list(Severity)[values[3]],
        score=values[4],
        state=FindingState(values[5]),
        subject=Subject(device=values[6], mac=values[7], ip=values[8]),
        summary=values[9],
        first_seen=values[10],
        last_seen=values[11],
        packets=values[12],
        count=values[13],
        peers_total=values[14],
        spoofable=bool(values[15]),
        capture=values[16],
        peers=tuple(Peer(ip, mac, tuple(services)) for ip, mac, services in body["peers"]),
        evidence=body["evidence"],
        features=tuple(
            Feature(name, float(value), float(low), float(high), unit, float(weight), meaning)
            for name, value, low, high, unit, weight, meaning in body["features"]
        ),
        related=tuple(body["related"]),
    )
