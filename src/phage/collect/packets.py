"""What every collector of packets does: run the core's engine and hand its windows on."""

from __future__ import annotations

import json
from dataclasses import asdict, field
from typing import TYPE_CHECKING

from phage.collect.enginecollector import EngineCollector
from phage.errors import StateError
from phage.frozen import frozen
from phage.native import Engine
from phage.records.carved import CarvedFile
from phage.records.convert import window_from_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage._native import RawWindow  # noqa: TID251  Types, not code.
    from phage.collect.collector import FrameSelection
    from phage.records import Window


@frozen
class EngineSettings:
    """Settings of the core's engine; each is explained in `crates/phage-engine/src/config.rs`."""

    home: tuple[str, ...] = ()
    seed: int = 1
    tick_ms: int = 250
    longest_tick_ms: int = 1000
    full_window: int = 32
    train: int | None = None
    flows: bool = True
    hosts: bool = True
    volumes: bool = True
    watch: Mapping[str, object] = field(default_factory=dict)
    requests: str | None = None
    request_sources: int = 65_536
    request_rows: int = 4096
    scores: bool = True
    keep_scores: bool = False
    applications: bool = True
    ring_octets: int = 4 << 20
    ring_snap: int = 1514
    flow_capacity: int = 65_536
    stream_capacity: int = 65_536
    device_capacity: int = 4096
    remote_capacity: int = 65_536
    flow_rows: int = 16_384
    use_rows: int = 8192
    host_rows: int = 4096
    match_rows: int = 4096
    observations: int = 4096
    idle_timeout_s: int | None = None
    active_timeout_s: int = 1800
    reassembly_octets: int = 8 << 20
    carve_octets: int = 0
    carve_file: int = 16 << 20

    def to_json(self) -> str:
        """Return the settings as the core reads them."""
        return json.dumps(asdict(self))


class PacketCollector(EngineCollector[Engine]):
    """Runs an engine of packets."""

    interface: str = ""
    """What is watched; '' for files."""

    on_files: Callable[[Sequence[CarvedFile]], None] | None = None
    """Told the files of each window, where the settings have the engine take them out of traffic;
    must not wait."""

    def _window(self, raw: RawWindow, counters: Mapping[str, int]) -> Window:
        requests = self.engine.take_requests()
        if self.on_files is not None and (files := self.engine.take_files()):
            self.on_files([CarvedFile(*each) for each in files])
        volumes, uses = self.engine.take_volumes(), self.engine.take_uses()
        return window_from_raw(
            raw,
            counters,
            volumes,
            requests,
            uses,
            collector=self.number,
            interface=self.interface,
        )

    def frames(self, selection: FrameSelection) -> bytes:
        """Return the frames that are still in the ring and selected, as a pcap file."""
        return self._ask(
            lambda: self.engine.frames(
                selection.since,
                selection.until,
                list(selection.addresses),
                list(selection.macs),
                selection.limit,
            )
        )

    def scores(self) -> bytes:
        """Return the scores (f32) of the packets since the last call."""
        return self._ask(self.engine.take_scores)

    def phase(self) -> str:
        """Return the phase of the model: surveying, training, calibrating or watching."""
        return self._ask(self.engine.phase)

    def save_model(self) -> bytes:
        """Return the state of the model."""
        return self._ask(self.engine.save_model)

    def load_model(self, state: bytes) -> None:
        """Take over a saved state. Raises StateError when it cannot be used."""
        try:
            self._ask(lambda: self.engine.load_model(state))
        except ValueError as error:
            raise StateError(str(error)) from error

    def excuse(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Take a device's behaviour in a time range as normal."""
        self._ask(lambda: self.engine.excuse(mac, address, since, until))

    def distrust(self, mac: int, address: bytes, since: int, until: int) -> None:
        """Learn nothing of a device's traffic in a time range; it may lie in the future."""
        self._ask(lambda: self.engine.distrust(mac, address, since, until))
