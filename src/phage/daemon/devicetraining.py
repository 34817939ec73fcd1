"""Learns kinds of devices from captures whose devices are known: a folder for each kind."""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import TYPE_CHECKING

from phage.clock import SystemClock
from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.daemon.devices import make_inventory
from phage.daemon.engine import engine_settings
from phage.devices.training import TOLD, Example
from phage.errors import CaptureError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from phage.config.settings import Settings
    from phage.devices.identifier import Reference
    from phage.records.device import Device

LABELS = "kinds.csv"
"""Says what kinds are: the folder's name, and any of vendor, product, category."""

MAC_FILES = ("mac.txt", "_iotdevice-mac.txt")
"""Names of files that hold the MAC address of a folder's device."""

CAPTURES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcap.zst", ".pcapng.gz", ".pcapng.zst")


def read_examples(
    folder: Path,
    settings: Settings,
    progress: Callable[[int, int], None],
    warn: Callable[[str], None],
    reference: Reference | None = None,
) -> Iterator[Example]:
    """Yield an example for each capture below a folder; its kind is the name of its folder.

    The device is that of the MAC address in one of `MAC_FILES`, else the one that says most. A
    capture that cannot be read is told by `warn`. Raises ConfigError where there is no capture.
    """
    captures = [
        path for path in sorted(folder.glob("*/*")) if path.name.casefold().endswith(CAPTURES)
    ]
    if not captures:
        message = f"{folder}: holds no captures; a folder for each kind is expected, of captures"
        raise ConfigError(message)
    for number, path in enumerate(captures):
        try:
            device = read_device(path, settings, _mac_of(path.parent), reference)
        except CaptureError as error:
            warn(f"{path}: {error}")
            device = None
        if device is not None and device.words:
            yield Example(device, path.parent.name)
        progress(number + 1, len(captures))


def read_device(
    path: Path, settings: Settings, mac: str = "", reference: Reference | None = None
) -> Device | None:
    """Return the device of a capture: that with a MAC address, else the one that says most.

    Raises CaptureError.
    """
    home = tuple(map(str, settings.home))
    collector = PcapFileCollector(
        engine_settings(settings, seed=1, longest_tick_ms=2000, train=10**9), (str(path),)
    )
    inventory = make_inventory(home, SystemClock())
    if reference is not None:
        inventory.use_reference(reference)
    collector.open()
    try:
        for window in collector.windows():
            inventory.take(window)
    finally:
        collector.close()
    if mac:
        return inventory.of(mac=mac)
    return max(inventory.devices(), key=lambda device: len(device.words), default=None)


def read_told(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Return what a folder's `kinds.csv` says of kinds; nothing without one. Raises ConfigError."""
    path = folder / LABELS
    if not path.is_file():
        return {}
    told: defaultdict[str, dict[str, str]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if "kind" not in (reader.fieldnames or ()):
            message = f"{path}:1: needs a column `kind`, the folder's name"
            raise ConfigError(message)
        for row in reader:
            told[row["kind"]] |= {str(name): row[name] for name in TOLD if row.get(name)}
    return told


def _mac_of(folder: Path) -> str:
    for name in MAC_FILES:
        path = folder / name
        if path.is_file():
            return path.read_text(encoding="ascii", errors="replace").strip().casefold()[:17]
    return ""


def shares(kinds: Sequence[str]) -> Mapping[str, int]:
    """Return how many examples there are of each kind."""
    counts: defaultdict[str, int] = defaultdict(int)
    for kind in kinds:
        counts[kind] += 1
    return counts
