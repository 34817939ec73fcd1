"""Active scans of our network, and what they showed to be different."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.records.scan import Change, Scan, ScanDiff, ScanHost, ScanState, Service
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phage.store.database import Database, Row, Value

MAX_PAGE = 1000
KEPT_SCANS = 2000
"""Scans that are kept with their hosts: three weeks of one every 15 minutes."""

_COLUMNS = "id, state, author, started, ended, hosts_total, body"
_DIFF = "scan, happened, host, service, status, mac, was, became, notice"
_SAVE = (
    f"INSERT INTO scans ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "state = excluded.state, ended = excluded.ended, hosts_total = excluded.hosts_total, "
    "started = excluded.started, body = excluded.body"
)


@dataclass(frozen=True, slots=True)
class DiffFilter:
    """Which differences are wanted; what is empty does not narrow."""

    scan: str = ""
    host: str = ""
    status: Change | None = None
    notices: bool = False
    since: int | None = None
    before: tuple[int | str | float, ...] | None = None
    """Time, host, service and status of the last one of the page before."""


class ScanRepository:
    """Scans in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, scan: Scan) -> None:
        """Insert a scan, or update it; the oldest beyond what is kept go."""
        with self._database.transaction():
            self._database.execute(_SAVE, _to_row(scan))
            self._database.execute(
                "DELETE FROM scans WHERE id NOT IN "
                "(SELECT id FROM scans ORDER BY started DESC, id DESC LIMIT ?)",
                (KEPT_SCANS,),
            )

    def get(self, id: str) -> Scan | None:  # noqa: A002  The field's name.
        """Return the scan with an id, or the only one that begins so; "last" for the latest."""
        if id == "last":
            return next(iter(self.latest(1)), None)
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scans WHERE substr(id, 1, ?) = ? LIMIT 2",
            (len(id), storable(id)),
        )
        return _from_row(rows[0]) if len(rows) == 1 and len(id) >= 4 else None

    def latest(self, limit: int = 100, before: Sequence[Value] | None = None) -> list[Scan]:
        """Return scans, the latest first; those before a time and id."""
        where = " WHERE (started, id) < (?, ?)" if before else ""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM scans{where} ORDER BY started DESC, id DESC LIMIT ?",
            (*(before or ()), max(0, min(limit, MAX_PAGE + 1))),
        )
        return [_from_row(row) for row in rows]

    def end_running(self, now: int) -> int:
        """Say of scans that run that they were stopped: nobody makes them any more."""
        return self._database.execute(
            "UPDATE scans SET state = ?, ended = ? WHERE state = ?",
            (str(ScanState.STOPPED), now, str(ScanState.RUNNING)),
        )

    def save_diffs(self, diffs: Iterable[ScanDiff], memory: Mapping[str, Any]) -> None:
        """Save what is different, with what is remembered for the next scan."""
        with self._database.transaction():
            self._database.execute_many(
                f"INSERT INTO scan_diffs ({_DIFF}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                [
                    (
                        storable(each.scan),
                        storable_integer(each.at),
                        storable(each.host),
                        storable(each.service),
                        str(each.status),
                        storable(each.mac),
                        storable(each.before),
                        storable(each.after),
                        int(each.notice),
                    )
                    for each in diffs
                ],
            )
            self._database.execute(
                "INSERT INTO scan_memory (name, body) VALUES ('hosts', ?) "
                "ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                (json.dumps(memory, separators=(",", ":")),),
            )

    def memory(self) -> dict[str, Any]:
        """Return what was remembered; {} for nothing."""
        rows = self._database.query("SELECT body FROM scan_memory WHERE name = 'hosts'")
        return dict(json.loads(str(rows[0][0]))) if rows else {}

    def diffs(self, wanted: DiffFilter = DiffFilter(), limit: int = 100) -> list[ScanDiff]:
        """Return differences, the latest first."""
        conditions: list[str] = []
        parameters: list[Value] = []
        for column, value in (
            ("scan", wanted.scan),
            ("host", wanted.host),
            ("status", str(wanted.status or "")),
        ):
            if value:
                conditions.append(f"{column} = ?")
                parameters.append(storable(value))
        if wanted.notices:
            conditions.append("notice = 1")
        if wanted.since is not None:
            conditions.append("happened >= ?")
            parameters.append(wanted.since)
        if wanted.before is not None:
            conditions.append("(happened, host, service, status) < (?, ?, ?, ?)")
            parameters += wanted.before
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._database.query(
            f"SELECT {_DIFF} FROM scan_diffs{where} "
            "ORDER BY happened DESC, host DESC, service DESC, status DESC LIMIT ?",
            (*parameters, max(0, min(limit, 10 * MAX_PAGE))),
        )
        return [_diff(row) for row in rows]


def _to_row(scan: Scan) -> Row:
    body = {
        "targets": list(scan.targets),
        "ports": scan.ports,
        "fast": scan.fast,
        "covered": [list(each) for each in scan.covered],
        "sent": scan.sent,
        "dropped": dict(scan.dropped),
        "fault": scan.fault,
        "hosts": [
            [
                host.address,
                host.mac,
                host.interface,
                list(host.ways),
                [
                    [each.protocol, each.port, each.name, each.banner, each.software, each.certain]
                    for each in host.services
                ],
                {kind: dict(said) for kind, said in host.facts.items()},
            ]
            for host in scan.hosts
        ],
    }
    return (
        storable(scan.id),
        str(scan.state),
        storable(scan.by),
        storable_integer(scan.started),
        storable_integer(scan.ended),
        len(scan.hosts),
        storable(json.dumps(body, separators=(",", ":"), ensure_ascii=True)),
    )


def _from_row(row: Row) -> Scan:
    values: tuple[Any, ...] = row
    body: dict[str, Any] = json.loads(values[6])
    return Scan(
        id=values[0],
        state=ScanState(values[1]),
        by=values[2],
        started=values[3],
        ended=values[4],
        targets=tuple(body["targets"]),
        ports=body["ports"],
        fast=body["fast"],
        covered=tuple((first, last) for first, last in body["covered"]),
        sent=body["sent"],
        dropped=body["dropped"],
        fault=body["fault"],
        hosts=tuple(
            ScanHost(address, mac, link, tuple(ways), tuple(Service(*s) for s in services), facts)
            for address, mac, link, ways, services, facts in body["hosts"]
        ),
    )


def _diff(row: Row) -> ScanDiff:
    values: tuple[Any, ...] = row
    return ScanDiff(
        scan=values[0],
        at=values[1],
        host=values[2],
        service=values[3],
        status=Change(values[4]),
        mac=values[5],
        before=values[6],
        after=values[7],
        notice=bool(values[8]),
    )
