"""What tells of devices besides packets: the kernel's table of neighbours, files of leases."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from phage.collect.leases import MAX_OCTETS, read_leases
from phage.devices.discovery.rtnetlink import neighbours
from phage.records.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from phage.clock import Clock
    from phage.config.devices import DeviceSettings


def make_sources(
    settings: DeviceSettings, clock: Clock
) -> list[Callable[[], Iterable[Observation]]]:
    """Return what is asked now and then."""
    sources: list[Callable[[], Iterable[Observation]]] = [
        LeaseFile(Path(name), clock).read for name in settings.leases
    ]
    if settings.neighbours:
        sources.append(lambda: kernel_neighbours(clock))
    return sources


def kernel_neighbours(clock: Clock) -> Iterator[Observation]:
    """Yield who the kernel has to do with on its own links. Raises OSError."""
    now = clock.now()
    fields = {"source": "kernel"}
    for ip, mac in neighbours().items():
        yield Observation("neighbour", now, 0, ip, "", 0, 0, mac, "", 0, 0, 0, 0, fields)


class LeaseFile:
    """One file of leases; read again when it has changed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._changed = 0

    def read(self) -> list[Observation]:
        """Return its leases; none where it is as before, not there, or may not be read."""
        with suppress(OSError):
            changed = self._path.stat().st_mtime_ns
            if changed != self._changed:
                with self._path.open("rb") as file:
                    text = file.read(MAX_OCTETS).decode("utf-8", "replace")
                self._changed = changed
                return list(read_leases(text, self._clock.now()))
        return []
