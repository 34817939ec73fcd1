"""What a person does to the inventory: name, label, say what it is, merge, split, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.identifier import cleaned
from phage.devices.table import DeviceError, DeviceTable
from phage.records.device import CATEGORIES, CONCLUDED, Attribute, Join

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.entry import Entry
    from phage.records.device import Device

MAX_LABELS = 32
MAX_NAME = 80


class Edits:
    """A person's changes. Every method raises DeviceError; `by` is who asked ("user:anna")."""

    def __init__(self, table: DeviceTable) -> None:
        self._table = table

    def find(self, name: str) -> Device:
        """Return the device that a person means: by id, MAC, address, or name."""
        with self._table.lock:
            return self._table.named(name).record()

    def rename(self, device: str, name: str, by: str) -> Device:
        """Give a device a name; '' takes it away."""
        with self._table.lock:
            entry = self._table.named(device)
            wanted = cleaned(name, MAX_NAME)
            for other in self._table.entries():
                if wanted and other is not entry and other.name.casefold() == wanted.casefold():
                    message = f"{wanted!r} is {other.id}'s name: rules ask for devices by name"
                    raise DeviceError(message)
            entry.name = wanted
            return self._done(entry, "renamed", wanted, by)

    def label(self, device: str, add: Iterable[str], remove: Iterable[str], by: str) -> Device:
        """Add and take away labels."""
        with self._table.lock:
            entry = self._table.named(device)
            labels = (entry.labels | {cleaned(each, MAX_NAME) for each in add}) - {*remove, ""}
            if len(labels) > MAX_LABELS:
                message = f"{device}: a device has {MAX_LABELS} labels at most"
                raise DeviceError(message)
            entry.labels = labels
            return self._done(entry, "labelled", ", ".join(sorted(labels)), by)

    def tell(self, device: str, attribute: Attribute, value: str, by: str) -> Device:
        """Say what a device is; a person's word is final. '' takes it back."""
        with self._table.lock:
            entry = self._table.named(device)
            if attribute not in CONCLUDED:
                message = f"{attribute}: say one of {', '.join(CONCLUDED)}"
                raise DeviceError(message)
            if value and attribute is Attribute.CATEGORY and value not in CATEGORIES:
                message = f"there is no category {value!r}; there are {', '.join(CATEGORIES)}"
                raise DeviceError(message)
            entry.given.pop(attribute, None)
            if value:
                entry.given[attribute] = cleaned(value)
            return self._done(entry, "told", f"{attribute} is {value or 'unknown'}", by)

    def merge(self, device: str, others: Iterable[str], by: str) -> Device:
        """Say that devices are one; the first keeps its id, the others become its addresses."""
        with self._table.lock:
            entry = self._table.named(device)
            for other in [self._table.named(name) for name in others]:
                if other is entry:
                    continue
                self._table.merge(entry, other)
                for mac in other.macs:
                    entry.joins[mac] = Join(mac, 1.0, "a person said so", self._table.now, by)
                self._done(entry, "merged", f"with {other.id}", by)
            return entry.record()

    def split(self, device: str, mac: str, by: str) -> Device:
        """Say that a MAC address is another device's; return that one."""
        with self._table.lock:
            entry = self._table.named(device)
            wanted = mac.strip().casefold().replace("-", ":")
            if wanted not in entry.macs:
                message = f"{device} has no MAC address {mac!r}, but {', '.join(entry.macs)}"
                raise DeviceError(message)
            if len(entry.macs) == 1:
                message = f"{device} has no other MAC address to be split from"
                raise DeviceError(message)
            return self._table.part(entry, wanted, "a person said so", by).record()

    def forget(self, device: str, by: str) -> str:
        """Forget a device and all that is known of it; return its id."""
        with self._table.lock:
            entry = self._table.named(device)
            self._table.remove(entry)
            self._table.tell(entry.id, self._table.now, "forgotten", "", by)
            return entry.id

    def _done(self, entry: Entry, what: str, detail: str, by: str) -> Device:
        self._table.mark_changed(entry)
        self._table.tell(entry.id, self._table.now, what, detail, by)
        return entry.record()
