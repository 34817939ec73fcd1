"""`phage run`: watch interfaces, learn, and report, until told to stop."""

from __future__ import annotations

import logging
import queue
import secrets
import signal
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from phage.api.events import EventHub
from phage.clock import SystemClock
from phage.collect.collectors.afpacket import AfPacketCollector, RingSettings
from phage.collect.joined import JoinedCollector
from phage.collect.logs.told import ToldCollector
from phage.config.statedir import StateDirectory
from phage.daemon import memory, priority, privilege
from phage.daemon.acting import start_enforcement, start_enforcer
from phage.daemon.advising import excuse
from phage.daemon.baselines import restored_baselines, volumetric_of
from phage.daemon.busrole import bus_collectors
from phage.daemon.carving import make_carved_files, start_carving
from phage.daemon.devices import start_devices
from phage.daemon.discovery import start_discovery
from phage.daemon.engine import engine_settings
from phage.daemon.evidence import EvidenceFolder
from phage.daemon.exports import exporter_sinks, load_templates, make_export_collectors
from phage.daemon.facts import SeenRouters
from phage.daemon.feeder import IDLE_SECONDS, WAITING_WINDOWS, Feeder, Watched, WindowQueue
from phage.daemon.homeassistant import homeassistant_sinks
from phage.daemon.intel import start_intel
from phage.daemon.interfaces import default_interface
from phage.daemon.links import Links
from phage.daemon.live import Live
from phage.daemon.livesink import LiveSink
from phage.daemon.logcollectors import make_log_collectors
from phage.daemon.malware import start_malware
from phage.daemon.models import restored_models, save_models
from phage.daemon.pipeline import Pipeline, make_detectors, make_knowledge, total
from phage.daemon.policysinks import NotifySink, PolicyMetrics
from phage.daemon.policysinks import health as policy_health
from phage.daemon.pushdesk import LocalPushDesk, make_push_desk
from phage.daemon.rates import count_interfaces, influx_sinks
from phage.daemon.screen import Screen
from phage.daemon.serving import Served, start_api
from phage.daemon.sightingsink import SightingSink
from phage.daemon.sinks import EveSink, MetricsSink
from phage.daemon.storesink import StoreSink, start_writer
from phage.daemon.trafficsink import TrafficSink
from phage.detect.routers import Routers
from phage.errors import CaptureError, PhageError
from phage.notify.channels import make_channels
from phage.notify.dispatch import Dispatcher
from phage.telemetry.evelog import EveLog
from phage.telemetry.metrics import Registry
from phage.telemetry.rotation import RotatingFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.clock import Clock
    from phage.collect.exports import ExportCollector
    from phage.collect.logs.collector import LogCollector
    from phage.config.settings import Settings
    from phage.daemon.carving import CarvedFiles
    from phage.daemon.enforcement import Enforcement
    from phage.daemon.options import RunOptions
    from phage.daemon.pipeline import Sink
    from phage.detect.detector import Detector
    from phage.enforcer.process import Enforcer
    from phage.learn.model import Model, StateFolder
    from phage.plugin import Runner
    from phage.store.writer import Writer

_log = logging.getLogger(__name__)


class Daemon:
    """Everything that runs while interfaces are watched."""

    def __init__(self, options: RunOptions, state: StateDirectory, clock: Clock) -> None:
        self.options = options
        self.state = state
        self.clock = clock
        self.collectors: list[AfPacketCollector] = []
        self.told = ToldCollector(clock)
        self.logs: list[LogCollector] = [self.told]
        self.exports: list[ExportCollector] = []
        self.remotes: list[Watched] = []
        self.joined: JoinedCollector | None = None
        self.feeders: list[Feeder] = []
        self.dispatcher: Dispatcher | None = None
        self.push: LocalPushDesk | None = None
        self.links = Links(self.collectors)
        self.windows = WindowQueue(WAITING_WINDOWS)
        self.losses: list[Callable[[], Mapping[str, int]]] = []
        self.enforcer: Enforcer | None = None
        self.carved: CarvedFiles | None = None
        self._stopping = threading.Event()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.options.settings

    def open(self, *, remotes: bool = True) -> None:
        """Open the rings, the logs and the sockets of exporters; take what sensors count.

        Raises PermissionMissingError, CaptureError, ConfigError.
        """
        if remotes and self.settings.scan.carve.enabled:
            self.carved = make_carved_files(self.settings, self.state, self.clock)
        priority.allow()
        self._open_rings()
        self._open_logs()
        self._open_exports()
        if remotes:
            self._open_remotes()
        if not self.watching:
            message = "there is nothing to watch: set capture.enabled, or collect.flows.netflow"
            raise CaptureError(message)

    def _open_rings(self) -> None:
        if not self.settings.capture.enabled:
            return
        names = self.options.interfaces or self.settings.interfaces or (default_interface(),)
        threads = self.settings.capture.threads
        # Rings of all programs in a network namespace share the numbers of groups (packet(7)).
        groups = secrets.randbelow(1 << 16)
        for number, name in enumerate(names):
            for _ in range(threads):
                collector = AfPacketCollector(
                    # The hash secret is of this run only; an attacker cannot aim at a table.
                    engine_settings(
                        self.settings, seed=secrets.randbits(63), carve=self.carved is not None
                    ),
                    name,
                    RingSettings(
                        expression=self.settings.capture.filter or None,
                        ring_mib=max(1, self.settings.capture.ring_size >> 20),
                        promiscuous=self.settings.capture.promiscuous,
                        fanout_group=(groups + number) % (1 << 16) if threads > 1 else None,
                    ),
                )
                collector.on_files = self.carved.put if self.carved is not None else None
                collector.open()
                self.collectors.append(collector)

    def _open_logs(self) -> None:
        """Open the logs, while they can be read."""
        self.told.open()
        for log in make_log_collectors(self.settings.collect, self.clock, self.state.path):
            log.open()
            self.logs.append(log)

    def _open_exports(self) -> None:
        """Listen for exporters of flows."""
        for collector in make_export_collectors(self.settings, lambda: secrets.randbits(63)):
            self.exports.append(collector)
            collector.open()
        load_templates(self.exports, self.state.templates)

    def _open_remotes(self) -> None:
        """Take what sensors on other machines count."""
        for collector in bus_collectors(self.settings.bus):
            self.remotes.append(collector)
            collector.open()
        if self.settings.bus.sensors:
            self.joined = JoinedCollector(self.clock)
            self.remotes.append(self.joined)

    @property
    def sources(self) -> list[Watched]:
        """All that is watched: rings, exporters, logs."""
        return [*self.watching, *self.logs]

    def close(self) -> None:
        """Close the rings, the sockets and the logs."""
        for source in self.sources:
            source.close()

    def counters(self) -> Mapping[str, int]:
        """Return the counters of all collectors, and what was dropped here."""
        counters = total(source.counters() for source in self.sources)
        return {**counters, **self.lost()}

    def lost(self) -> Mapping[str, int]:
        """Return what was dropped or failed here, without asking the collectors."""
        lost = {
            "windows_dropped": sum(feeder.dropped for feeder in self.feeders),
            "collector_faults": sum(feeder.faults for feeder in self.feeders),
        }
        for loss in self.losses:
            lost |= loss()
        return lost

    @property
    def watched(self) -> str:
        """What is watched, for people."""
        return ", ".join(dict.fromkeys(collector.interface for collector in self.watching))

    @property
    def watching(self) -> list[Watched]:
        """Rings, sockets, and sensors elsewhere: what traffic is seen at."""
        return [*self.collectors, *self.exports, *self.remotes]

    @property
    def has_failed(self) -> bool:
        """Tell whether watching ended though nobody said so."""
        return not self._stopping.is_set()

    @property
    def has_lost_enforcer(self) -> bool:
        """Tell whether the enforcer and its keeper ended: it takes root to start them again."""
        return self.enforcer is not None and not self.enforcer.is_alive()

    def stop(self, *_: object) -> None:
        """Stop soon; may be called from a signal handler."""
        self._stopping.set()

    def start_feeding(self) -> None:
        """Start to take windows of all that is watched."""
        rings = [Feeder(collector, self.windows) for collector in self.watching]
        logs = [Feeder(collector, self.windows, patient=True) for collector in self.logs]
        self.feeders = rings + logs
        for feeder in self.feeders:
            feeder.start()
        priority.prefer(feeder.number for feeder in rings)
        priority.forbid()
        self.links.start()

    def stop_feeding(self) -> None:
        """Stop, and wait for the threads."""
        self.links.stop()
        for feeder in self.feeders:
            feeder.stop()

    def watch(self, pipeline: Pipeline, models: Sequence[tuple[StateFolder, Model]]) -> None:
        """Take windows until told to stop or nothing is left to watch."""
        self.start_feeding()
        rings = self.feeders[: len(self.watching)]
        save_every = self.settings.learning.save_every
        next_save = self.clock.monotonic() + save_every
        trimmer = memory.Trimmer(self.clock)
        try:
            while not self._stopping.is_set() and not self.has_lost_enforcer:
                try:
                    window, collector = self.windows.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    # Nothing came in that time: what was sent before it had its time to be seen.
                    pipeline.idle(self.clock.now() - int(IDLE_SECONDS * 1e9))
                    if not any(feeder.is_alive() for feeder in rings):
                        break
                else:
                    pipeline.take(window, collector)
                trimmer.tick()
                if self.clock.monotonic() >= next_save:
                    next_save = self.clock.monotonic() + save_every
                    save_models(models)
        finally:
            self.stop_feeding()
        while not self.windows.empty():
            pipeline.take(*self.windows.get_nowait())
        save_models(models)


def _outputs(settings: Settings, state: StateDirectory, daemon: Daemon) -> list[Sink]:
    """Return what tells others what goes on."""
    sinks: list[Sink] = []
    eve = settings.outputs.eve
    if eve.enabled:
        file = RotatingFile(eve.path or state.eve, eve.rotate_size, eve.rotate_count, daemon.clock)
        sinks.append(EveSink(EveLog(file, eve.types), daemon.clock, eve.stats_interval))
        daemon.losses.append(lambda: {"eve_dropped": file.dropped})
    sinks += influx_sinks(settings.outputs.influx, daemon.watching, daemon.clock)
    daemon.push = make_push_desk(settings, state, daemon.clock)
    channels = make_channels(settings.notify)
    if daemon.push is not None:
        channels.append(daemon.push.channel)
    if channels:
        dispatcher = Dispatcher(channels, daemon.clock)
        dispatcher.start()
        daemon.dispatcher = dispatcher
        sinks.append(NotifySink(dispatcher))
    return sinks


def run(options: RunOptions) -> int:
    """Watch interfaces until a signal says stop; return the exit code.

    Raises PhageError for what the person can mend: a missing capability, no interface, a folder in
    use.
    """
    memory.share_arenas()
    settings, clock = options.settings, SystemClock()
    state = StateDirectory(settings.state_folder)
    state.create()
    daemon = Daemon(options, state, clock)
    with ExitStack() as stack:
        stack.enter_context(state.lock())
        stack.callback(daemon.close)
        daemon.open()
        daemon.enforcer = start_enforcer(settings, state, stack)
        # Before any thread starts: the kernel keeps capabilities a thread.
        if line := privilege.drop(state.path):
            options.ready(line)
        models = restored_models(daemon.collectors, state.models, clock)
        registry = Registry()
        writer = start_writer(settings, clock, retention=True)
        sinks: list[Sink] = [
            Screen(options),
            TrafficSink(writer),  # Before the store's own, which stops the writer in the end.
            SightingSink(writer),
            *exporter_sinks(daemon.exports, writer.exporters, state.templates, clock),
            StoreSink(writer, flows=settings.store.flows),
            MetricsSink(registry, daemon.counters),
        ]
        count_interfaces(registry, daemon.watching)
        sinks += _outputs(settings, state, daemon)
        shown = LiveSink(EventHub(), clock, daemon.lost)
        sinks.append(shown)
        evidence = EvidenceFolder(state.captures, settings.retention.captures_size)
        detectors = make_detectors(settings, clock)
        models += restored_baselines(detectors, state, clock)
        routers = Routers()
        devices = start_devices(settings, state, clock)
        discovery = start_discovery(settings, devices.inventory, clock, stack)
        enforcement = start_enforcement(
            settings,
            state,
            clock,
            stack,
            SeenRouters(routers),
            devices=devices,
            discovery=discovery,
        )
        sinks.append(_watched_live(registry, enforcement, daemon, detectors))
        health = _health(daemon, writer, enforcement)
        sinks += homeassistant_sinks(settings.outputs.mqtt, clock, enforcement, health)
        pipeline = Pipeline(
            detectors,
            make_knowledge(settings),
            sinks,
            evidence,
            enforcement,
            devices,
            routers=routers,
            watching=daemon.collectors,
            scanning=discovery.own_names,
        )
        intel = start_intel(
            settings,
            state,
            clock,
            daemon.sources,
            pipeline.knowledge,
            stack,
            enforcement.lists.publish,
            daemon.told.feed,
        )
        start_malware(settings, state, clock, daemon.told.feed.tell, stack)
        worker = start_carving(daemon.carved, options, state, clock, stack)
        daemon.losses.append(
            lambda: {
                "evidence_failed": evidence.failed,
                "carved_dropped": daemon.carved.dropped if daemon.carved is not None else 0,
                "detectors_failures": sum(runner.failures for runner in detectors),
                "detectors_dropped": sum(runner.plugin.dropped for runner in detectors),
                "store_dropped": sum(writer.state.dropped.values()),
                "devices_dropped": devices.inventory.dropped,
                "devices_failures": devices.failures,
                "feeds_failing": len(intel.faults) + bool(intel.fault),
            }
        )
        served = Served(
            shown,
            enforcement,
            devices,
            intel,
            registry,
            health,
            options.settings_file,
            discovery,
            daemon.joined,
            worker,
            daemon.push,
        )
        for line in start_api(settings, state, served, clock, stack):
            options.ready(line)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, daemon.stop)
        options.ready(f"watching {daemon.watched}; state in {state.path}")
        memory.settle()
        daemon.watch(pipeline, models)
        pipeline.finish()
        if daemon.has_lost_enforcer:
            message = (
                "the enforcer ended; start phage again: blocks last until they expire, and no new "
                "ones are made"
            )
            raise PhageError(message)
        if daemon.has_failed:
            reasons = {str(feeder.error) for feeder in daemon.feeders if feeder.error is not None}
            message = f"nothing is left to watch: {'; '.join(sorted(reasons)) or 'unknown'}"
            raise CaptureError(message)
    return 0


def _watched_live(
    registry: Registry,
    enforcement: Enforcement,
    daemon: Daemon,
    detectors: Sequence[Runner[Detector]],
) -> Live:
    """Have metrics and whoever asks see what goes on now, and what learns hear of mistakes."""
    PolicyMetrics(registry, enforcement)
    enforcement.dispatcher = daemon.dispatcher
    floods = volumetric_of(detectors)
    enforcement.learns = partial(excuse, collectors=daemon.watching, floods=floods)
    live = enforcement.live = Live(
        enforcement.ledger.all_in_force,
        daemon.counters,
        lambda: [near for each in floods for near in each.nearest],
    )
    return live


def _health(
    daemon: Daemon, writer: Writer, enforcement: Enforcement
) -> Callable[[], Mapping[str, object]]:
    def health() -> Mapping[str, object]:
        watching = all(feeder.is_alive() for feeder in daemon.feeders)
        fault = writer.state.fault
        down = daemon.links.down
        faults = policy_health(enforcement)
        good = watching and not fault and not down and not faults
        return {
            "status": "ok" if good else "degraded",
            "watching": watching,
            "down": list(down),
            "store": fault or "ok",
            "policy": dict(faults) or "ok",
        }

    return health
