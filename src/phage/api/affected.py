"""The vulnerabilities of all devices, as routes and pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.network import Entries, Wanted, affected_devices

if TYPE_CHECKING:
    from phage.api.memory import Memory
    from phage.api.services import Services

MAX_DEVICES = 65_536


def entries_of(services: Services, memory: Memory, wanted: Wanted, device: str = "") -> Entries:
    """Return the vulnerabilities of all devices, or one, kept for a moment. Raises ProductError."""

    def make() -> Entries:
        with services.reading() as store:
            if device:
                found = store.devices.named([device.lower()]).get(device.lower())
                devices = [found] if found is not None else []
            else:
                devices = store.devices.list(MAX_DEVICES)
            return affected_devices(store.vulnerabilities, devices, wanted)

    return memory.of(("vulnerabilities", wanted, device.lower()), make)
