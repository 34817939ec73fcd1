"""Devices: who is on our network, what is known of them, and what happened to them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.records.device import (
    Attribute,
    Device,
    DeviceEvent,
    DeviceSummary,
    Guess,
    Join,
    Mark,
    MarkKind,
    Seen,
    Trait,
)
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.store.database import Database, Row, Value

MAX_PAGE = 100_000
"""Devices that one question returns at most."""

MAX_EVENTS = 100_000
"""Events that one question returns at most."""

_NAMES = (
    "device", "mac", "ip", "first_seen", "last_seen", "packets", "octets", "name", "vendor",
    "product", "category", "system", "present", "shown", "labels", "body",
)  # fmt: skip
_COLUMNS = ", ".join(_NAMES)
_BRIEF = ", ".join(_NAMES[:-1])
_SAVE = (
    f"INSERT INTO devices ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))}) "
    "ON CONFLICT (device) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name != "device")
)


_TOLD = ("device", "mac", "ip", "name", "vendor", "product", "category", "system")
"""Columns in which words are looked for. What a device calls itself stands in `body`."""


@frozen
class DeviceFilter:
    """Which devices are wanted; what is empty does not narrow.

    Attributes:
        text: Words that all occur in name, maker, kind, addresses or what it calls itself.
        category: One of `CATEGORIES`.
        present: Only those that are here (True) or away (False).
        since: Seen at or after this time, in nanoseconds since the Unix epoch.
        after: Id of the last device of the page before.
    """

    text: str = ""
    category: str = ""
    present: bool | None = None
    since: int | None = None
    after: str = ""


class DeviceRepository:
    """Devices in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, devices: Iterable[Device]) -> None:
        """Insert devices, or replace what is there of them."""
        with self._database.transaction():
            self._database.execute_many(_SAVE, map(_to_row, devices))

    def see(self, devices: Iterable[Device]) -> None:
        """Note only when devices were seen last, and how much they sent: cheaper than `save`."""
        with self._database.transaction():
            self._database.execute_many(
                "UPDATE devices SET last_seen = ?, packets = ?, octets = ?, present = ? "
                "WHERE device = ?",
                (
                    (
                        storable_integer(device.last_seen),
                        storable_integer(device.packets),
                        storable_integer(device.octets),
                        int(device.present),
                        storable(device.id),
                    )
                    for device in devices
                ),
            )

    def remove(self, ids: Iterable[str]) -> None:
        """Delete devices; their events stay."""
        with self._database.transaction():
            self._database.execute_many(
                "DELETE FROM devices WHERE device = ?", ((storable(id_),) for id_ in ids)
            )

    def count(self) -> int:
        """Return how many devices there are."""
        return int(self._database.query("SELECT count(*) FROM devices")[0][0] or 0)

    def watched_seconds(self, since: int, until: int) -> int:
        """Return for how long devices were known in a time, added up."""
        rows = self._database.query(
            "SELECT sum((? - CASE WHEN first_seen > ? THEN first_seen ELSE ? END) / 1000000000) "
            "FROM devices WHERE first_seen < ?",
            (until, since, since, until),
        )
        return int(rows[0][0] or 0)

    def save_events(self, events: Iterable[DeviceEvent]) -> None:
        """Insert events."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO device_events (happened, device, what, detail, author) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    (
                        storable_integer(event.at),
                        storable(event.device),
                        storable(event.what),
                        storable(event.detail),
                        storable(event.by),
                    )
                    for event in events
                ),
            )

    def vendors(self, limit: int) -> list[tuple[str, int, int]]:
        """Return makers with how many devices are theirs, and how many of these are here now."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT vendor, count(*), sum(present) FROM devices GROUP BY vendor "
                "ORDER BY count(*) DESC, vendor LIMIT ?",
                (limit,),
            )
        )
        return [(name, int(count), int(present or 0)) for name, count, present in rows]

    def events(
        self,
        device: str = "",
        since: int | None = None,
        limit: int = 100,
        after: Sequence[Value] | None = None,
    ) -> list[DeviceEvent]:
        """Return events of a device ('' for all), the latest first.

        `after` is time, device, what and detail of the last event of the page before.
        """
        conditions: list[str] = []
        parameters: list[Value] = []
        if device:
            conditions.append("device = ?")
            parameters.append(storable(device))
        if since is not None:
            conditions.append("happened >= ?")
            parameters.append(since)
        if after is not None:
            conditions.append(
                "(happened < ? OR (happened = ? AND (device, what, detail) > (?, ?, ?)))"
            )
            parameters += [after[0], *after]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                f"SELECT device, happened, what, detail, author FROM device_events{where} "
                "ORDER BY happened DESC, device, what, detail LIMIT ?",
                (*parameters, max(0, min(limit, MAX_EVENTS))),
            )
        )
        return [DeviceEvent(*row) for row in rows]

    def search(self, wanted: DeviceFilter, limit: int = 100) -> Sequence[DeviceSummary]:
        """Return devices that are wanted, those seen last first: in brief, without evidence."""
        where, parameters = _where(wanted)
        rows = self._database.query(
            f"SELECT {_BRIEF} FROM devices{where} ORDER BY last_seen DESC, device LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        return [_summary(row) for row in rows]

    def how_many(self, wanted: DeviceFilter) -> int:
        """Return how many devices are wanted."""
        where, parameters = _where(wanted)
        return int(
            self._database.query(f"SELECT count(*) FROM devices{where}", parameters)[0][0] or 0
        )

    def named(self, names: Sequence[str]) -> dict[str, Device]:
        """Return the devices that have one of these ids, MAC addresses or addresses, by it."""
        wanted = [storable(name) for name in names[:MAX_PAGE]]
        found: dict[str, Device] = {}
        for begin in range(0, len(wanted), 300):  # SQLite takes 999 parameters or more.
            part = wanted[begin : begin + 300]
            marks = ", ".join("?" * len(part))
            rows = self._database.query(
                f"SELECT {_COLUMNS} FROM devices WHERE device IN ({marks}) OR mac IN ({marks}) "
                f"OR ip IN ({marks}) ORDER BY last_seen, device",
                (*part, *part, *part),
            )
            for device in map(_from_row, rows):
                found |= dict.fromkeys((device.id, device.mac, device.ip), device)
        found.pop("", None)
        return found

    def addresses(self, limit: int) -> Sequence[tuple[str, bool]]:
        """Return the last address of each device, and whether it is here now."""
        # All in one row: for each row SQLite hands Python's lock back and forth.
        join = "group_concat" if self._database.dialect == "sqlite" else "string_agg"
        rows = self._database.query(
            f"SELECT {join}(ip || ' ' || present, ',') FROM "
            "(SELECT ip, present FROM devices LIMIT ?) AS seen",
            (limit,),
        )
        words = (each.rpartition(" ") for each in str(rows[0][0] or "").split(",") if each)
        return [(ip, present != "0") for ip, _, present in words]

    def list(self, limit: int = 1000) -> list[Device]:
        """Return devices, those seen last first."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM devices ORDER BY last_seen DESC, device LIMIT ?",
            (max(0, min(limit, MAX_PAGE)),),
        )
        return [_from_row(row) for row in rows]


def _where(wanted: DeviceFilter) -> tuple[str, list[Value]]:
    conditions: list[str] = []
    parameters: list[Value] = []
    for word in storable(wanted.text).lower().split()[:8]:
        pattern = f"%{_escaped(word)}%"
        either = " OR ".join(f"lower({name}) LIKE ? ESCAPE '!'" for name in (*_TOLD, "body"))
        conditions.append(f"({either})")
        parameters += [pattern] * (len(_TOLD) + 1)
    if wanted.category:
        conditions.append("category = ?")
        parameters.append(storable(wanted.category))
    if wanted.present is not None:
        conditions.append("present = ?")
        parameters.append(int(wanted.present))
    if wanted.since is not None:
        conditions.append("last_seen >= ?")
        parameters.append(wanted.since)
    if wanted.after:
        last = "SELECT last_seen FROM devices WHERE device = ?"
        conditions.append(f"(last_seen < ({last}) OR (last_seen = ({last}) AND device > ?))")
        parameters += [storable(wanted.after)] * 3
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _escaped(word: str) -> str:
    """Return a word as a pattern of LIKE that means itself."""
    return "".join(f"!{each}" if each in "!%_" else each for each in word)


def _to_row(device: Device) -> Row:
    return (
        storable(device.id),
        storable(device.mac),
        storable(device.ip),
        storable_integer(device.first_seen),
        storable_integer(device.last_seen),
        storable_integer(device.packets),
        storable_integer(device.octets),
        storable(device.name),
        storable(device.vendor),
        storable(device.product),
        storable(device.category),
        storable(device.system),
        int(device.present),
        storable(device.shown),
        storable(json.dumps(device.labels)),
        storable(json.dumps(_body(device), ensure_ascii=False, separators=(",", ":"))),
    )


def _body(device: Device) -> dict[str, object]:
    """Return what has no column of its own. The order of fields is that of the records."""
    return {
        "labels": device.labels,
        "macs": [(seen.value, seen.first, seen.last) for seen in device.macs],
        "addresses": [(seen.value, seen.first, seen.last) for seen in device.addresses],
        "traits": [
            (each.attribute, each.value, each.weight, each.source, each.evidence, each.seen)
            for each in device.traits
        ],
        "marks": [(mark.kind, mark.value) for mark in device.marks],
        "words": device.words,
        "given": dict(device.given),
        "guesses": {name: asdict(guess) for name, guess in device.guesses.items()},
        "joins": [(join.mac, join.confidence, join.why, join.at, join.by) for join in device.joins],
        "apart": device.apart,
        "vlan": device.vlan,
        "gap": device.gap,
    }


def _summary(row: Row) -> DeviceSummary:
    values: tuple[Any, ...] = row
    *most, present, shown, labels = values
    told = tuple(json.loads(labels)) if labels != "[]" else ()
    return DeviceSummary._make((*most, present != 0, shown, told))


def _from_row(row: Row) -> Device:
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    body: dict[str, Any] = json.loads(values["body"]) if values["body"] else {}
    first, last = values["first_seen"], values["last_seen"]
    macs = body.get("macs") or ([(values["mac"], first, last)] if values["mac"] else [])
    addresses = body.get("addresses") or ([(values["ip"], first, last)] if values["ip"] else [])
    return Device(
        id=values["device"],
        name=values["name"],
        labels=tuple(body.get("labels", ())),
        macs=tuple(Seen(*each) for each in macs),
        addresses=tuple(Seen(*each) for each in addresses),
        first_seen=first,
        last_seen=last,
        present=bool(values["present"]),
        traits=tuple(Trait(Attribute(each[0]), *each[1:]) for each in body.get("traits", ())),
        marks=tuple(Mark(MarkKind(kind), value) for kind, value in body.get("marks", ())),
        words=tuple(body.get("words", ())),
        given={Attribute(name): value for name, value in body.get("given", {}).items()},
        guesses={
            Attribute(name): Guess(
                guess["value"],
                guess["confidence"],
                tuple(guess["why"]),
                tuple((value, confidence) for value, confidence in guess["rivals"]),
            )
            for name, guess in body.get("guesses", {}).items()
        },
        joins=tuple(Join(*each) for each in body.get("joins", ())),
        apart=tuple(body.get("apart", ())),
        vlan=body.get("vlan", 0),
        packets=values["packets"],
        octets=values["octets"],
        gap=body.get("gap", 0),
    )
