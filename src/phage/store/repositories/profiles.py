"""Profiles: what devices normally do."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from phage.records.profile import KeyOrder, KeyUse, Phase, Profile, ProfileKey, Way
from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.store.database import Database, Row

MAX_PAGE = 100_000
"""Profiles that one question returns at most."""

_numbers = attrgetter(*(each.name for each in fields(KeyUse) if each.name != "order"))
"""Returns the fields of a use that are numbers; its order stands apart."""


class ProfileRepository:
    """Profiles in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, profiles: Iterable[Profile]) -> None:
        """Insert profiles, or replace what is there of them."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO profiles (device, phase, since, until, body) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (device) DO UPDATE SET phase = excluded.phase, "
                "since = excluded.since, until = excluded.until, body = excluded.body",
                map(_to_row, profiles),
            )

    def get(self, device: str) -> Profile | None:
        """Return the profile of a device."""
        rows = self._database.query(
            "SELECT device, phase, since, until, body FROM profiles WHERE device = ?",
            (storable(device),),
        )
        return _from_row(rows[0]) if rows else None

    def remove(self, devices: Iterable[str]) -> None:
        """Delete the profiles of devices."""
        with self._database.transaction():
            self._database.execute_many(
                "DELETE FROM profiles WHERE device = ?", ((storable(id_),) for id_ in devices)
            )

    def list(self, limit: int = 1000) -> list[Profile]:
        """Return profiles by device."""
        rows = self._database.query(
            "SELECT device, phase, since, until, body FROM profiles ORDER BY device LIMIT ?",
            (max(0, min(limit, MAX_PAGE)),),
        )
        return [_from_row(row) for row in rows]


def _to_row(profile: Profile) -> Row:
    body = {
        "keys": _keys(profile.keys),
        "waiting": _keys(profile.waiting),
        "rates": dict(profile.rates),
        "names": dict(profile.names),
        "claims": dict(profile.claims),
        "dropped": profile.dropped,
        "renewed": profile.renewed,
        "order": _orders(profile.keys),
    }
    return (
        storable(profile.device),
        str(profile.phase),
        storable_integer(profile.since),
        storable_integer(profile.until),
        storable(json.dumps(body, ensure_ascii=False, separators=(",", ":"))),
    )


def _keys(keys: Mapping[ProfileKey, KeyUse]) -> list[list[object]]:
    return [
        [str(key.way), key.protocol, key.port, key.peer, *_numbers(use)]
        for key, use in keys.items()
    ]


def _orders(keys: Mapping[ProfileKey, KeyUse]) -> list[list[object]]:
    """Return what each key comes after; keys are told by their places."""
    places = {key: place for place, key in enumerate(keys)}
    return [
        [
            use.order.trains,
            use.order.about,
            use.order.stray,
            [[places[key], share] for key, share in use.order.after.items() if key in places],
        ]
        for use in keys.values()
    ]


def _from_row(row: Row) -> Profile:
    values: tuple[Any, ...] = row
    body: dict[str, Any] = json.loads(values[4])
    return Profile(
        device=values[0],
        since=values[2],
        until=values[3],
        phase=Phase(values[1]),
        keys=_ordered(_uses(body["keys"]), body.get("order", ())),
        waiting=_uses(body["waiting"]),
        rates=body["rates"],
        names=body["names"],
        claims=body.get("claims", {}),
        dropped=body["dropped"],
        renewed=body.get("renewed", 0),
    )


def _uses(rows: Iterable[Any]) -> dict[ProfileKey, KeyUse]:
    return {
        ProfileKey(Way(way), protocol, port, peer): KeyUse(*use)
        for way, protocol, port, peer, *use in rows
    }


def _ordered(keys: dict[ProfileKey, KeyUse], orders: Iterable[Any]) -> dict[ProfileKey, KeyUse]:
    """Return uses with what they come after; profiles of before version 0.2 do not tell it."""
    names = list(keys)
    for name, (trains, about, stray, after) in zip(names, orders, strict=False):
        order = KeyOrder(trains, about, stray, {names[place]: share for place, share in after})
        keys[name] = replace(keys[name], order=order)
    return keys
