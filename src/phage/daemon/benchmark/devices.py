"""Devices: the import of all registries of MAC addresses, and lists of ten thousand devices."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median

from phage.api.routes.devices import shape
from phage.clock import SystemClock
from phage.devices import registry
from phage.devices.ouifile import read_assignments
from phage.records.device import Attribute, Device, Guess, Mark, MarkKind, Seen, Trait
from phage.store.repositories.devices import DeviceFilter
from phage.store.store import StoreLocation, open_store

DEVICES = 10_000
AT = 1_700_000_000_000_000_000

SIZES = {6: ("MA-L", 40_126), 7: ("MA-M", 6_641), 9: ("MA-S", 11_808)}
"""Assignments of the registries, by the digits of their prefixes."""

DEBIAN = Path("/usr/share/ieee-data")


def import_seconds() -> tuple[float, int]:
    """Return how long the import of all registries takes, and how many assignments there are.

    Those of Debian's package ieee-data, else made ones of the same sizes.
    """
    found = sorted(DEBIAN.glob("*.csv"))
    files = {str(path): path.read_bytes() for path in found} or _made()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "oui"
        began = time.perf_counter()
        fresh = [each for name, raw in files.items() for each in read_assignments(name, raw)]
        made = registry.load(path).with_registries(fresh)
        registry.save(path, made)
        return time.perf_counter() - began, len(made)


def _made() -> dict[str, bytes]:
    files = {}
    for digits, (name, count) in SIZES.items():
        lines = ["Registry,Assignment,Organization Name,Organization Address"]
        lines += [
            f'{name},{number * 7:0{digits}X},"Maker {number}, Inc.","{number} Some Street, Town"'
            for number in range(count)
        ]
        files[f"{name}.csv"] = "\r\n".join((*lines, "")).encode()
    return files


def list_milliseconds() -> float:
    """Return how long a list of ten thousand devices takes, from the store to JSON."""
    with tempfile.TemporaryDirectory() as folder:
        place = StoreLocation.of("", "", Path(folder) / "store.sqlite3")
        with open_store(place, SystemClock()) as store:
            store.devices.save(map(_device, range(DEVICES)))
            times = []
            for _ in range(5):
                began = time.perf_counter()
                found = store.devices.search(DeviceFilter(), DEVICES)
                json.dumps([shape(device) for device in found])
                times.append(time.perf_counter() - began)
    return median(times) * 1000


def _device(number: int) -> Device:
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    traits = tuple(
        Trait(attribute, f"value {number % 50}", 0.7, "dhcp", f"vendor class {number}", AT)
        for attribute in (Attribute.NAME, Attribute.VENDOR, Attribute.PRODUCT, Attribute.CATEGORY)
    )
    return Device(
        mac,
        labels=("bench",),
        macs=(Seen(mac, AT, AT),),
        addresses=tuple(Seen(f"10.{number >> 8}.{number & 255}.{n}", AT, AT) for n in range(3)),
        first_seen=AT,
        last_seen=AT + number,
        traits=traits,
        marks=(Mark(MarkKind.HOSTNAME, f"host-{number}"),),
        words=tuple(f"name:service{n}.example.com" for n in range(30)),
        guesses={Attribute.CATEGORY: Guess("camera", 0.9, ("dhcp: vendor class",))},
    )
