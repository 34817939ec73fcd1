"""What devices are called on pages: by name where one is known, else by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.store.repositories.devices import DeviceSeen
    from phage.store.store import Store


class Names:
    """Looks up what devices are called; asked once a page for all of them.

    Args:
        store: A reader of the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, DeviceSeen] = {}

    def learn(self, names: Iterable[str]) -> None:
        """Look devices up by stable name or address."""
        wanted = {name for name in names if name} - self._known.keys()
        if wanted:
            for seen in self._store.devices.find(sorted(wanted)):
                self._known[seen.device] = seen
                self._known.setdefault(seen.ip, seen)

    def of(self, name: str) -> str:
        """Return what to call a device or address."""
        seen = self._known.get(name)
        return seen.ip or seen.device if seen is not None else name

    def device(self, name: str) -> DeviceSeen | None:
        """Return the device that a name or address means; None for one of others."""
        return self._known.get(name)
