"""Fleets of worker machines: what their keeper saw last, and how many a person wants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.database import Database, Row


@frozen
class FleetRow:
    """A fleet as its keeper saw it last.

    Attributes:
        name: Its name.
        launcher: What starts its machines.
        wanted: How many there should be.
        most: How many there may be.
        fixed: How many a person wants; None for as many as are needed.
        machines: What there is: id, worker, address.
        seen: When that was, nanoseconds since the Unix epoch.
        fault: Why machines cannot be started or ended; ''.
    """

    name: str
    launcher: str = ""
    wanted: int = 0
    most: int = 0
    fixed: int | None = None
    machines: Sequence[tuple[str, str, str]] = ()
    seen: int = 0
    fault: str = ""


class ScanFleetRepository:
    """Fleets in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, keeper: int, now: int, within: int) -> bool:
        """Tell whether a keeper is the one that looks after fleets, and stays it.

        Another one takes over `within` nanoseconds after it was last heard of. The row without a
        name says who it is: its number stands where other rows say how many machines.
        """
        return bool(
            self._database.execute(
                "INSERT INTO scan_fleets (name, fixed, seen, body) VALUES ('', ?, ?, '{}') "
                "ON CONFLICT (name) DO UPDATE SET fixed = excluded.fixed, seen = excluded.seen "
                "WHERE scan_fleets.fixed = excluded.fixed OR scan_fleets.seen < ?",
                (keeper, now, now - within),
            )
        )

    def seen(self, fleet: FleetRow) -> None:
        """Note what a keeper sees; what a person wants stays as it is."""
        body = {
            "launcher": fleet.launcher,
            "wanted": fleet.wanted,
            "most": fleet.most,
            "machines": [list(each) for each in fleet.machines],
            "fault": fleet.fault[:1000],
        }
        self._database.execute(
            "INSERT INTO scan_fleets (name, fixed, seen, body) VALUES (?, -1, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, body = excluded.body",
            (storable(fleet.name), fleet.seen, storable(json.dumps(body))),
        )

    def fix(self, name: str, copies: int | None) -> bool:
        """Have so many machines, None for as many as are needed; False for no such fleet."""
        return bool(
            self._database.execute(
                "UPDATE scan_fleets SET fixed = ? WHERE name = ?",
                (-1 if copies is None else copies, storable(name)),
            )
        )

    def list(self) -> list[FleetRow]:
        """Return all fleets, by name."""
        rows = self._database.query(
            "SELECT name, fixed, seen, body FROM scan_fleets WHERE name <> '' ORDER BY name"
        )
        return [_fleet(row) for row in rows]

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget fleets that the settings do not name any more."""
        marks = ", ".join("?" * len(names)) or "''"
        self._database.execute(
            f"DELETE FROM scan_fleets WHERE name <> '' AND name NOT IN ({marks})", tuple(names)
        )


def _fleet(row: Row) -> FleetRow:
    values: tuple[Any, ...] = row
    name, fixed, seen, text = values
    body = json.loads(text)
    return FleetRow(
        name=name,
        fixed=None if fixed < 0 else fixed,
        seen=seen,
        launcher=body["launcher"],
        wanted=body["wanted"],
        most=body["most"],
        machines=tuple((each[0], each[1], each[2]) for each in body["machines"]),
        fault=body["fault"],
    )
