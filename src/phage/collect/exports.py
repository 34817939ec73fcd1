"""What every collector of flow exports does: listen or read, and tell of exporters."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, field
from typing import TYPE_CHECKING

from phage.collect.collector import WithoutPackets
from phage.collect.enginecollector import LONGEST_WAIT, EngineCollector
from phage.errors import CaptureError, StateError
from phage.frozen import frozen
from phage.native import ExportEngine, ToldFlows
from phage.records.address import format_address
from phage.records.exporter import COUNTS, Exporter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@frozen
class ExporterSettings:
    """What is set by hand for an exporter, or a network of them.

    `sampling` is one packet in so many (0: as it tells), used also against what it tells where
    `force` is set. `take` says which records are taken, "all", "ingress", "egress" or "none", and
    `interfaces` at which interfaces (by SNMP index; none means all).
    """

    address: str
    name: str = ""
    sampling: int = 0
    force: bool = False
    take: str = "all"
    interfaces: tuple[int, ...] = ()


@frozen
class ExportSettings:
    """Settings of the core's engine, explained in `crates/phage-engine/src/export/config.rs`."""

    home: tuple[str, ...] = ()
    seed: int = 1
    tick_ms: int = 250
    flows: bool = True
    watch: Mapping[str, object] = field(default_factory=dict)
    flow_capacity: int = 65_536
    device_capacity: int = 4096
    remote_capacity: int = 65_536
    flow_rows: int = 16_384
    use_rows: int = 8192
    host_rows: int = 4096
    match_rows: int = 4096
    followed: int = 100_000
    idle_timeout_s: int | None = None
    active_timeout_s: int = 1800
    domains: int = 16_384
    template_fields: int = 1_000_000
    pending: int = 4 << 20
    correct_clocks: bool = True
    allowed: tuple[str, ...] = ()
    exporters: tuple[ExporterSettings, ...] = ()
    find_duplicates: bool = True
    compared_flows: int = 131_072

    def to_json(self) -> str:
        """Return the settings as the core reads them: names of exporters are not its business."""
        values = asdict(self)
        for exporter in values["exporters"]:
            del exporter["name"]
        return json.dumps(values)


@frozen
class Listening:
    """Where to listen.

    `udp` and `tcp` are addresses with ports; `shared_by` collectors share them, and each exporter
    stays at one of these. `receive_buffer` is in octets for each socket.
    """

    udp: tuple[str, ...] = ()
    tcp: tuple[str, ...] = ()
    receive_buffer: int = 64 << 20
    shared_by: int = 1


def comparison(settings: ExportSettings) -> ToldFlows:
    """Return what collectors share that compare what their exporters tell of flows."""
    return ToldFlows(settings.seed, settings.compared_flows)


class ExportCollector(WithoutPackets, EngineCollector[ExportEngine]):
    """Runs an engine of exports; what it knows of exporters can be asked for and saved.

    Args:
        settings: Settings of the engine.
        listening: Where it listens.
        told: What exporters told of flows, where several collectors compare that.
    """

    name = "exports"
    summary = "flow exports"
    from_exports = True

    def __init__(
        self, settings: ExportSettings, listening: Listening, told: ToldFlows | None = None
    ) -> None:
        super().__init__(ExportEngine(settings.to_json(), told), self._listen)
        self._listening = listening
        self._names = [
            (ipaddress.ip_network(each.address, strict=False), each.name)
            for each in settings.exporters
            if each.name
        ]
        self.interface = ", ".join(
            [f"udp {each}" for each in listening.udp] + [f"tcp {each}" for each in listening.tcp]
        )
        self.addresses: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def _listen(self, engine: ExportEngine) -> None:
        udp, tcp = engine.listen(
            list(self._listening.udp),
            list(self._listening.tcp),
            receive_buffer=self._listening.receive_buffer,
            shared_by=self._listening.shared_by,
        )
        self.addresses = tuple(udp), tuple(tcp)

    def describe(self, *, options: bool = False) -> Iterator[str]:
        """Yield records as lines of JSON instead of windows, '' where nothing came for a while.

        Ends with the source, or when the collector is stopped.
        """
        while not self._stopping.is_set():
            try:
                lines = self.engine.describe(LONGEST_WAIT, options=options)
            except OSError as error:
                raise CaptureError(str(error)) from error
            if lines is None:
                return
            yield lines

    def exporters(self) -> list[Exporter]:
        """Return every exporter that is known."""
        return [self._exporter(facts) for facts in self._ask(self.engine.exporters)]

    def _exporter(self, facts: Mapping[str, int | bytes]) -> Exporter:
        raw = facts["address"]
        address = format_address(raw) if isinstance(raw, bytes) else ""
        numbers = {name: value for name, value in facts.items() if isinstance(value, int)}
        return Exporter(
            address=address,
            domain=numbers["domain"],
            version=numbers["version"],
            name=self._name_of(address),
            first_seen=numbers["heard"],
            last_seen=numbers["heard"],
            sampling=numbers["sampling"],
            drift=numbers["drift"],
            **{name: numbers[name] for name in COUNTS},
        )

    def _name_of(self, address: str) -> str:
        if not self._names or not address:
            return ""
        parsed = ipaddress.ip_address(address)
        fitting = [(net, name) for net, name in self._names if parsed in net]
        return max(fitting, key=lambda each: each[0].prefixlen)[1] if fitting else ""

    def save_templates(self) -> bytes:
        """Return templates and rates of sampling."""
        return self._ask(self.engine.save)

    def load_templates(self, state: bytes) -> None:
        """Take over a saved state. Raises StateError when it is damaged."""
        try:
            self._ask(lambda: self.engine.load(state))
        except ValueError as error:
            raise StateError(str(error)) from error
