"""Whose addresses those of a flow are: looked up once, while nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.address import format_address, format_mac

if TYPE_CHECKING:
    from phage.devices.entry import Entry
    from phage.devices.inventory import Inventory

MAX_ENDS = 16_384
"""Ends whose device is remembered."""


class Ends:
    """Finds the device at an end of a flow.

    Args:
        inventory: Who is who.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._known: dict[tuple[int, bytes], tuple[Entry, str, str] | None] = {}
        self._routers = inventory.routers
        self._generation = -1

    def entry(self, mac: str, ip: str) -> Entry | None:
        """Return a device that has a profile: routers do everything for everybody."""
        if mac in self._inventory.routers:
            return None
        table = self._inventory.table
        return table.with_mac(mac) or table.with_address(ip)

    def look(self) -> bool:
        """Forget what is known where addresses went to others; tell whether they did."""
        generation, routers = self._inventory.table.generation, self._inventory.routers
        if generation == self._generation and routers == self._routers:
            return False
        self._known.clear()
        self._generation, self._routers = generation, routers
        return True

    def find(self, mac: int, address: bytes) -> tuple[Entry, str, str] | None:
        """Return the device with addresses as the core has them, and these as text."""
        place = mac, address
        if place in self._known:
            return self._known[place]
        texts = format_mac(mac), format_address(address)
        entry = self.entry(*texts)
        found = (entry, *texts) if entry is not None else None
        if len(self._known) < MAX_ENDS:
            self._known[place] = found
        return found
