"""Decisions: the ledger on disk; committed before anything is carried out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Rate,
    Target,
    TargetKind,
)
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from phage.store.database import Database, Row, Value

MAX_PAGE = 10_000
"""Decisions that one question returns at most."""

ID_LENGTH = 26
"""Characters of an id, of 0 to 9 and A to Z."""

SHORTEST_PREFIX = 6
"""Characters of an id that may stand for the whole: fewer only tell the year."""

_COLUMNS = (
    "id, kind, target, action, direction, reason, rule, finding, author, started, expires, "
    "dry_run, spoofable, ended, ended_by, body"
)
_SAVE = (
    f"INSERT INTO decisions ({_COLUMNS}) VALUES ({', '.join('?' * 16)}) "
    "ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, rule = excluded.rule, "
    "finding = excluded.finding, author = excluded.author, expires = excluded.expires, "
    "ended = excluded.ended, ended_by = excluded.ended_by"
)
_AUDIT = "id, happened, author, act, decision, detail"


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions are wanted; what is empty does not narrow.

    Attributes:
        standing: Only those that have not ended (True), or that have (False).
        target: Canonical text of the target.
        finding: Id of the finding behind it.
        rule: Name of the rule.
        dry_run: Only those that are (True) or are not (False) recorded only.
        since: Begun at or after this time, in nanoseconds.
        after: Id of the last decision of the page before.
    """

    standing: bool | None = None
    target: str = ""
    finding: str = ""
    rule: str = ""
    dry_run: bool | None = None
    since: int | None = None
    after: str = ""


@frozen
class AuditEntry:
    """What a person did: added, revoked, pulled the panic switch, applied rules.

    `happened` is in nanoseconds since the Unix epoch; `decision` is an id or ''.
    """

    id: str
    happened: int
    author: str
    act: str
    decision: str = ""
    detail: str = ""


class DecisionRepository:
    """Decisions and their audit in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, decisions: Iterable[Decision]) -> None:
        """Insert decisions, or update reason, expiry and end of those whose id is there."""
        rows = [_to_row(decision) for decision in decisions]
        if rows:
            with self._database.transaction():
                self._database.execute_many(_SAVE, rows)

    def get(self, id: str) -> Decision | None:  # noqa: A002  The field's name.
        """Return the decision with an id, or with the only id that begins so; else None."""
        wanted = storable(id.upper())
        rows = self._database.query(f"SELECT {_COLUMNS} FROM decisions WHERE id = ?", (wanted,))
        if not rows and len(wanted) >= SHORTEST_PREFIX:
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM decisions WHERE id >= ? AND id <= ? ORDER BY id LIMIT 2",
                (wanted, wanted.ljust(ID_LENGTH, "Z")),
            )
        return _from_row(rows[0]) if len(rows) == 1 else None

    def list(self, wanted: DecisionFilter = DecisionFilter(), limit: int = 100) -> list[Decision]:
        """Return decisions, the newest first."""
        where, parameters = _where(wanted)
        sql = f"SELECT {_COLUMNS} FROM decisions{where} ORDER BY id DESC LIMIT ?"
        rows = self._database.query(sql, (*parameters, max(0, min(limit, MAX_PAGE))))
        return [_from_row(row) for row in rows]

    def over_time(self, since: int, until: int, step: int) -> Sequence[tuple[int, bool, int]]:
        """Return how many began in each step of a time, recorded only (True) or carried out.

        Times and step are in nanoseconds; empty steps are left out.
        """
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT started / {step:d} * {step:d} AS at, dry_run, count(*) FROM decisions "
                "WHERE started >= ? AND started < ? "
                f"GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {MAX_PAGE}",
                (since, until),
            )
        )
        return [(at, bool(dry_run), count) for at, dry_run, count in rows]

    def count(self, wanted: DecisionFilter = DecisionFilter()) -> int:
        """Return how many decisions there are."""
        where, parameters = _where(wanted)
        rows = self._database.query(f"SELECT count(*) FROM decisions{where}", parameters)
        return int(rows[0][0] or 0)

    def standing(self) -> Iterator[Decision]:
        """Yield every decision that has not been ended, in order; for the start."""
        for row in self._database.stream(
            f"SELECT {_COLUMNS} FROM decisions WHERE ended = 0 ORDER BY id"
        ):
            yield _from_row(row)

    def times_before(
        self, rule: str, target: Target, since: int, now: int, *, dry_run: bool
    ) -> int:
        """Return at how many times since a time a rule decided against a target, now left out.

        What was decided at one time, as a ban and a script's part in it, is one. In nanoseconds.
        """
        rows = self._database.query(
            "SELECT count(DISTINCT started) FROM decisions WHERE target = ? AND kind = ? "
            "AND rule = ? AND dry_run = ? AND started >= ? AND started <> ?",
            (storable(target.value), str(target.kind), storable(rule), int(dry_run), since, now),
        )
        return int(rows[0][0] or 0)

    def pardon(self, rule: str, target: Target, now: int) -> str:
        """Return who revoked what a rule decided against a target, before its time; else ''."""
        rows = self._database.query(
            "SELECT ended_by FROM decisions WHERE target = ? AND kind = ? AND rule = ? "
            "AND ended > 0 AND expires > ? AND substr(ended_by, 1, 5) = 'user:' "
            "ORDER BY id DESC LIMIT 1",
            (storable(target.value), str(target.kind), storable(rule), now),
        )
        return str(rows[0][0]) if rows else ""

    def note(self, entry: AuditEntry) -> None:
        """Keep what a person did."""
        self._database.execute(
            f"INSERT INTO decision_audit ({_AUDIT}) VALUES (?, ?, ?, ?, ?, ?)",
            (
                entry.id,
                storable_integer(entry.happened),
                storable(entry.author),
                storable(entry.act),
                storable(entry.decision),
                storable(entry.detail),
            ),
        )

    def audit(self, decision: str = "", limit: int = 100) -> Sequence[AuditEntry]:
        """Return what people did, the newest first; about one decision, or all."""
        where, parameters = ("", []) if not decision else (" WHERE decision = ?", [decision])
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT {_AUDIT} FROM decision_audit{where} ORDER BY happened DESC, id DESC "
                "LIMIT ?",
                (*parameters, max(0, min(limit, MAX_PAGE))),
            )
        )
        return [AuditEntry(*row) for row in rows]


def _where(wanted: DecisionFilter) -> tuple[str, list[Value]]:
    conditions: list[str] = []
    parameters: list[Value] = []

    def need(condition: str, *values: Value) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if wanted.standing is not None:
        need("ended = 0" if wanted.standing else "ended > 0")
    for column, value in (
        ("target", wanted.target),
        ("finding", wanted.finding),
        ("rule", wanted.rule),
    ):
        if value:
            need(f"{column} = ?", storable(value))
    if wanted.dry_run is not None:
        need("dry_run = ?", int(wanted.dry_run))
    if wanted.since is not None:
        need("started >= ?", wanted.since)
    if wanted.after:
        need("id < ?", storable(wanted.after))
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _to_row(decision: Decision) -> Row:
    return (
        decision.id,
        str(decision.target.kind),
        storable(decision.target.value),
        str(decision.action),
        str(decision.direction),
        storable(decision.reason),
        storable(decision.rule),
        storable(decision.finding),
        storable(decision.by),
        storable_integer(decision.start),
        storable_integer(decision.until),
        int(decision.dry_run),
        int(decision.spoofable),
        storable_integer(decision.ended),
        storable(decision.ended_by),
        _body(decision),
    )


def _body(decision: Decision) -> str:
    """Return what few decisions have as JSON; '' where there is nothing."""
    body: dict[str, object] = {}
    if not decision.pattern.is_everything:
        body["pattern"] = asdict(decision.pattern)
    if decision.rate is not None:
        body["rate"] = asdict(decision.rate)
    if decision.responders:
        body["responders"] = decision.responders
    return json.dumps(body) if body else ""


def _from_row(row: Row) -> Decision:
    values: tuple[Any, ...] = row
    body: dict[str, Any] = json.loads(values[15]) if values[15] else {}
    return Decision(
        id=values[0],
        target=Target(TargetKind(values[1]), values[2]),
        action=Action(values[3]),
        direction=Direction(values[4]),
        reason=values[5],
        rule=values[6],
        finding=values[7],
        by=values[8],
        start=values[9],
        until=values[10],
        dry_run=bool(values[11]),
        spoofable=bool(values[12]),
        ended=values[13],
        ended_by=values[14],
        pattern=_pattern(body["pattern"]) if "pattern" in body else _EVERYTHING,
        rate=Rate(**body["rate"]) if "rate" in body else None,
        responders=tuple(body.get("responders", ())),
    )


_EVERYTHING = Pattern()


def _pattern(fields: dict[str, Any]) -> Pattern:
    def pairs(name: str) -> tuple[tuple[int, int], ...]:
        return tuple((low, high) for low, high in fields[name])

    return Pattern(
        protocol=fields["protocol"],
        ports=pairs("ports"),
        source_ports=pairs("source_ports"),
        tcp_flags=tuple(fields["tcp_flags"]) if fields["tcp_flags"] else None,
        lengths=pairs("lengths"),
        fragments=fields["fragments"],
    )
