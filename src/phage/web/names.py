"""What devices are called on pages: by name where one is known, else by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.access.identity import Identity
    from phage.records.device import Device
    from phage.store.store import Store


class Names:
    """Looks up what devices are called; asked once a page for all of them.

    Args:
        store: A reader of the store, open while names are learned.
        asker: Who sees the page; to who may not see devices, they have no names.
    """

    def __init__(self, store: Store, asker: Identity) -> None:
        self._store = store
        self._may_know = asker.may("devices:read")
        self._known: dict[str, Device] = {}

    def learn(self, names: Iterable[str]) -> None:
        """Look devices up by id, MAC address or address."""
        wanted = sorted({name for name in names if name} - self._known.keys())
        if wanted and self._may_know:
            self._known |= self._store.devices.named(wanted)

    def of(self, name: str) -> str:
        """Return what to call a device or address."""
        device = self._known.get(name)
        return device.shown if device is not None else name

    def device(self, name: str) -> Device | None:
        """Return the device that a name or address means; None for one of others."""
        return self._known.get(name)
