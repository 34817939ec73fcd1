"""Flow exports in the daemon: makes the collectors, keeps templates and what exporters did."""

from __future__ import annotations

import base64
import binascii
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phage.collect.collectors.netflow import NetFlowCollector
from phage.collect.collectors.sflow import SFlowCollector
from phage.collect.exports import ExporterSettings, ExportSettings, Listening, comparison
from phage.config.savefile import save_over
from phage.errors import ConfigError, StateError
from phage.records.exporter import COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.exports import ExportCollector
    from phage.config.settings import Settings
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.records.exporter import Exporter

_log = logging.getLogger(__name__)

STORE_SECONDS = 10.0
"""Time between two looks at what exporters did."""

SAVE_SECONDS = 60.0
"""Time between two saved states of the templates: exporters send them again every few minutes."""

MOST_STORED = 1000
"""Exporters that are stored at once, those with most records; forged ones send none that fit."""


def export_settings(settings: Settings, *, seed: int, home: Sequence[str] = ()) -> ExportSettings:
    """Return the settings of the core's engine of exports."""
    limits, flows = settings.limits, settings.collect.flows
    return ExportSettings(
        home=tuple(map(str, home or settings.home)),
        seed=seed,
        flow_capacity=limits.flows,
        device_capacity=limits.devices,
        remote_capacity=limits.hosts,
        flow_rows=limits.rows,
        idle_timeout_s=int(limits.flow_idle_timeout) if limits.flow_idle_timeout else None,
        active_timeout_s=int(limits.flow_active_timeout),
        domains=flows.domains,
        template_fields=flows.template_fields,
        correct_clocks=flows.correct_clocks,
        allowed=tuple(map(str, flows.allow)),
        exporters=tuple(
            ExporterSettings(
                str(each.address),
                each.name,
                each.sampling,
                each.force,
                each.take,
                each.interfaces,
            )
            for each in flows.exporters
        ),
        find_duplicates=flows.find_duplicates,
        compared_flows=flows.compared_flows,
        watch=settings.volumes.watched().as_core(),
    )


def make_export_collectors(settings: Settings, seed: Callable[[], int]) -> list[ExportCollector]:
    """Make the collectors that the settings name; each is to be opened and has its own thread."""
    flows = settings.collect.flows
    told = comparison(export_settings(settings, seed=seed()))
    made: list[ExportCollector] = []
    for kind, udp, tcp in (
        (NetFlowCollector, flows.netflow, flows.ipfix_tcp),
        (SFlowCollector, flows.sflow, ()),
    ):
        if not udp and not tcp:
            continue
        for number in range(flows.threads):
            listening = Listening(
                udp=tuple(udp),
                # Connections need no more than one thread: their senders wait.
                tcp=tuple(tcp) if number == 0 else (),
                receive_buffer=flows.receive_buffer,
                shared_by=flows.threads,
            )
            made.append(kind(export_settings(settings, seed=seed()), listening, told))
    return made


def load_templates(collectors: Sequence[ExportCollector], folder: Path) -> None:
    """Give each collector the templates of all: how exporters are spread may have changed."""
    for path in sorted(folder.glob("*.templates")):
        for collector in collectors:
            try:
                collector.load_templates(base64.b64decode(path.read_bytes(), validate=True))
            except (StateError, OSError, binascii.Error) as error:
                _log.warning("%s: %s; exporters will send their templates again", path, error)
                break


@dataclass
class ExporterKeeper:
    """A sink that now and then stores what exporters did, and saves their templates.

    Attributes:
        collectors: The collectors of exports.
        store: Takes what was counted since it was called last.
        folder: Where templates are saved.
        clock: Tells when.
    """

    collectors: Sequence[ExportCollector]
    store: Callable[[Iterable[Exporter]], None]
    folder: Path
    clock: Clock
    _seen: dict[tuple[int, tuple[str, int, int]], Exporter] = field(default_factory=dict)
    _next_store: float = 0.0
    _next_save: float = 0.0

    def window(self, window: Window) -> None:
        """Look after exporters when it is time."""
        del window
        now = self.clock.monotonic()
        if now >= self._next_store:
            self._next_store = now + STORE_SECONDS
            self.store_exporters()
        if now >= self._next_save:
            if self._next_save:
                self.save()
            self._next_save = now + SAVE_SECONDS

    def decided(self, outcome: Outcome) -> None:
        """Decisions say nothing of exporters."""

    def finding(self, finding: Finding) -> None:
        """Nor do findings."""

    def close(self) -> None:
        """Store and save what is new."""
        self.store_exporters()
        self.save()

    def store_exporters(self) -> None:
        """Hand on what was counted since the last time."""
        seen: dict[tuple[int, tuple[str, int, int]], Exporter] = {}
        news: list[Exporter] = []
        for number, collector in enumerate(self.collectors):
            for exporter in collector.exporters():
                if not exporter.last_seen:  # Known from a saved template only.
                    continue
                key = number, exporter.key
                seen[key] = exporter
                before = self._seen.get(key)
                if before is None or before.datagrams != exporter.datagrams:
                    news.append(_since(exporter, before))
        self._seen = seen
        news.sort(key=lambda each: -each.records)
        self.store(news[:MOST_STORED])

    def save(self) -> None:
        """Save the templates of every collector; a fault is told, and collecting goes on."""
        for number, collector in enumerate(self.collectors):
            path = self.folder / f"{collector.name}-{number}.templates"
            try:
                save_over(path, base64.b64encode(collector.save_templates()).decode("ascii"))
            except ConfigError as error:
                _log.warning("templates are not saved: %s", error)


def _since(exporter: Exporter, before: Exporter | None) -> Exporter:
    """Return an exporter with what was counted since; one that was forgotten begins anew."""
    if before is None or before.datagrams > exporter.datagrams:
        return exporter
    counts = {name: getattr(exporter, name) - getattr(before, name) for name in COUNTS}
    return replace(exporter, first_seen=before.first_seen, **counts)


def exporter_sinks(
    collectors: Sequence[ExportCollector],
    store: Callable[[Iterable[Exporter]], None],
    folder: Path,
    clock: Clock,
) -> list[ExporterKeeper]:
    """Return what looks after exporters; nothing where there are none to expect."""
    return [ExporterKeeper(collectors, store, folder, clock)] if collectors else []
