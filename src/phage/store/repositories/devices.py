"""Devices: who was seen, when first and when last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.store.repositories.text import storable, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.database import Database

MAX_PAGE = 100_000
"""Devices that one question returns at most."""


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """What was seen of a device; `packets` and `octets` are added to what is stored."""

    device: str
    mac: str
    ip: str
    first_seen: int
    last_seen: int
    packets: int = 0
    octets: int = 0


class DeviceRepository:
    """Devices in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, devices: Iterable[DeviceSeen]) -> None:
        """Add sightings: the spans are joined, the counts added, the latest address is kept."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO devices (device, mac, ip, first_seen, last_seen, packets, octets) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET "
                "mac = CASE WHEN excluded.mac <> '' THEN excluded.mac ELSE devices.mac END, "
                "ip = CASE WHEN excluded.ip <> '' AND excluded.last_seen >= devices.last_seen "
                "THEN excluded.ip ELSE devices.ip END, "
                "first_seen = CASE WHEN excluded.first_seen < devices.first_seen "
                "THEN excluded.first_seen ELSE devices.first_seen END, "
                "last_seen = CASE WHEN excluded.last_seen > devices.last_seen "
                "THEN excluded.last_seen ELSE devices.last_seen END, "
                "packets = devices.packets + excluded.packets, "
                "octets = devices.octets + excluded.octets",
                [
                    (
                        storable(seen.device),
                        storable(seen.mac),
                        storable(seen.ip),
                        storable_integer(seen.first_seen),
                        storable_integer(seen.last_seen),
                        storable_integer(seen.packets),
                        storable_integer(seen.octets),
                    )
                    for seen in devices
                ],
            )

    def list(self, limit: int = 1000) -> list[DeviceSeen]:
        """Return devices, those seen last first."""
        rows: list[tuple[Any, ...]] = list(
            self._database.query(
                "SELECT device, mac, ip, first_seen, last_seen, packets, octets FROM devices "
                "ORDER BY last_seen DESC, device LIMIT ?",
                (max(0, min(limit, MAX_PAGE)),),
            )
        )
        return [DeviceSeen(*row) for row in rows]
