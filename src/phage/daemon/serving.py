"""The API in the daemon: what routes ask for is wired here, and served in a thread of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from phage.access.access import make_access
from phage.api.bouncers import BouncerFeed
from phage.api.doorstep import Doorstep
from phage.api.sampleshapes import analysis_shape
from phage.api.tls import Certificate, self_made, server_context
from phage.config.kinds import split_listen
from phage.config.load import default_file
from phage.daemon.control import Caller
from phage.daemon.feedsdesk import LocalFeedsDesk
from phage.daemon.fences import Fences
from phage.daemon.intel import make_sharing
from phage.daemon.memory import settle
from phage.daemon.ownprogram import OwnProgram, OwnWorker
from phage.daemon.requests import request_of
from phage.daemon.ruledesk import LocalRuleDesk
from phage.daemon.scandesk import count_desk, start_desk
from phage.daemon.scanfolders import ScanFolders
from phage.daemon.settingsdesk import LocalSettingsDesk
from phage.daemon.steering import Steering
from phage.daemon.storesink import location
from phage.daemon.workcounts import WorkCounter
from phage.errors import ConfigError
from phage.frozen import frozen
from phage.store.pool import StorePool
from phage.store.repositories.decisions import DecisionFilter
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from socket import socket

    from phage.access.access import Access
    from phage.api.events import EventHub
    from phage.api.server import ApiServer
    from phage.api.services import Steer
    from phage.clock import Clock
    from phage.collect.joined import JoinedCollector
    from phage.config.settings import ApiSettings, Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.devices import DeviceService
    from phage.daemon.discovery import DiscoveryService
    from phage.daemon.enforcement import Enforcement
    from phage.daemon.intel import IntelService
    from phage.daemon.livesink import LiveSink
    from phage.daemon.pushdesk import LocalPushDesk
    from phage.daemon.workdesk import LocalWorkDesk
    from phage.records.decision import Decision
    from phage.telemetry.metrics import Registry


ENDED_NS = 7 * 86_400 * 10**9
"""A bouncer that is new here is told what began since then and has ended."""

MAX_ENDED = 10_000


@frozen
class Served:
    """What of the living daemon is shown and steered.

    Attributes:
        live: Figures and events.
        enforcement: What decides.
        devices: What is known of devices.
        intel: What feeds say.
        registry: The metrics.
        health: Tells how the daemon does.
        settings_file: The settings file in use; None for none.
        discovery: Scans actively; None where nothing does.
        joined: Takes windows of sensors that joined; None where none are taken.
        worker: Scans files; None where the desk has one of its own, or none.
        push: Tells browsers; None where none are told.
    """

    live: LiveSink
    enforcement: Enforcement
    devices: DeviceService
    intel: IntelService
    registry: Registry
    health: Callable[[], Mapping[str, object]]
    settings_file: Path | None = None
    discovery: DiscoveryService | None = None
    joined: JoinedCollector | None = None
    worker: OwnWorker | None = None
    push: LocalPushDesk | None = None


def start_api(
    settings: Settings, state: StateDirectory, served: Served, clock: Clock, stack: ExitStack
) -> list[str]:
    """Serve the API where it is enabled; return what there is to say to who started phage.

    Raises ServerError, StoreError.
    """
    own = settings.api
    if not own.enabled:
        return []
    store = open_store(location(settings), clock)
    stack.callback(store.close)
    pool = StorePool(location(settings))
    stack.callback(pool.close)
    access = make_access(store, clock, own.session_idle, own.session_longest)
    # Its workers are there whether anybody looks or not.
    scanning = start_desk(
        settings,
        state,
        OwnProgram(served.settings_file, state.path),
        store,
        clock,
        lambda analysis: served.live.hub.publish("scan", analysis_shape(analysis)),
        stack,
        served.worker,
    )
    count_desk(served.registry, scanning)
    WorkCounter(ScanFolders.of(state).counts, store, clock, served.registry).start()
    work = _work_desk(settings, state, clock, stack)
    steering = Steering(
        served.enforcement, clock, served.devices, served.discovery, Fences(state.fences)
    )
    sharing = make_sharing(settings) if settings.intel.share.taxii else None
    certificate = _certificate(settings, state, clock)
    tls = server_context(certificate) if certificate is not None else None
    host, port = split_listen(own.listen)

    def make(listener: socket) -> ApiServer:
        # 20 MB that are not there until somebody calls.
        from phage.api.app import make_app  # noqa: PLC0415
        from phage.api.server import ApiServer  # noqa: PLC0415
        from phage.api.services import Services  # noqa: PLC0415
        from phage.learn.copies import SensorModels  # noqa: PLC0415
        from phage.web.dashboard import Dashboard  # noqa: PLC0415

        services = Services(
            clock=clock,
            access=access,
            reading=pool.reading,
            writing=store,
            registry=served.registry,
            health=served.health,
            vitals=served.live.vitals,
            steer=_steer(steering, served.live.hub),
            events=served.live.hub,
            bouncers=_bouncers(served.enforcement, pool, clock),
            home=tuple(map(str, settings.home)),
            fingerprint=certificate.fingerprint if certificate is not None else "",
            sensors=served.joined,
            models=SensorModels(state.models / "sensors", clock) if served.joined else None,
            feeds=LocalFeedsDesk(
                settings,
                served.settings_file or default_file(os.environ, Path.home(), os.geteuid()),
                dict(os.environ),
                state.feed_keys,
                served.intel,
                clock,
            ),
            catalog=lambda: served.intel.catalog,
            rules=LocalRuleDesk(settings, state, served.enforcement, pool.reading, clock),
            settings=LocalSettingsDesk(settings, served.settings_file, dict(os.environ)),
            system_of=served.devices.profiler.system_of,
            sharing=sharing,
            scanning=scanning,
            work=work,
            push=served.push,
            metrics_token=own.token.get_secret_value(),
            captures=state.captures,
            hosts=tuple(name.lower() for name in own.hosts),
            secure=own.tls != "off",
        )
        app = make_app(services, Dashboard(), strict_transport=own.tls == "given", is_lazy=True)
        settle()  # Making it leaves megabytes behind.
        return ApiServer(app, host, port, tls, listener)

    server = Doorstep(host, port, make)
    server.start()
    stack.callback(server.stop)
    words = _words(access, own, server.port)
    if certificate is not None and certificate.fingerprint:
        words.append(f"certificate of its own, SHA-256 {certificate.fingerprint}")
    return words


def _work_desk(
    settings: Settings, state: StateDirectory, clock: Clock, stack: ExitStack
) -> LocalWorkDesk | None:
    """Return what answers workers, where there are to be any. Raises StoreError."""
    if settings.scan.queue == "local":
        return None
    from phage.daemon.workdesk import LocalWorkDesk  # noqa: PLC0415  Loads what scans.

    store = open_store(location(settings), clock)  # Its own: workers write all the time.
    stack.callback(store.close)
    return LocalWorkDesk(settings.scan, ScanFolders.of(state), store, clock)


def _certificate(settings: Settings, state: StateDirectory, clock: Clock) -> Certificate | None:
    """Return the certificate that is served; None for plain HTTP. Raises ConfigError."""
    own = settings.api
    if own.tls == "off":
        return None
    if own.tls == "self-made":
        host, _ = split_listen(own.listen)
        return self_made(state.path / "tls", [host, *own.hosts], clock)
    if own.certificate is None or own.private_key is None:
        message = "api.tls: given needs api.certificate and api.private_key"
        raise ConfigError(message)
    return Certificate(own.certificate, own.private_key)


def _bouncers(enforcement: Enforcement, pool: StorePool, clock: Clock) -> BouncerFeed:
    def in_force() -> Sequence[Decision]:
        return () if enforcement.held else enforcement.ledger.all_in_force()

    def ended() -> Sequence[Decision]:
        wanted = DecisionFilter(standing=False, dry_run=False, since=clock.now() - ENDED_NS)
        with pool.reading() as store:
            return store.decisions.list(wanted, MAX_ENDED)

    return BouncerFeed(in_force, ended)


def _steer(steering: Steering, hub: EventHub) -> Steer:
    def steer(verb: str, actor: str, /, **values: object) -> Mapping[str, Any]:
        answer = steering(request_of(verb, values), Caller(actor))
        changed: list[Any] = []  # What rules decide is told by the pipeline.
        if verb == "decisions.add":
            changed = [answer["decision"]]
        elif verb == "decisions.revoke":
            changed = list(answer["decisions"])
        for decision in changed:
            hub.publish("decision", decision)
        return answer

    return steer


def link_of(settings: ApiSettings, secret: str = "", port: int = 0) -> str:
    """Return where the dashboard is met, or the one-time link with a secret."""
    host, configured = split_listen(settings.listen)
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  Compared only.
    scheme = "http" if settings.tls == "off" else "https"
    where = f"[{shown}]" if ":" in shown else shown
    path = f"welcome?link={quote(secret)}" if secret else ""
    return f"{scheme}://{where}:{port or configured}/{path}"


def _words(access: Access, settings: ApiSettings, port: int) -> list[str]:
    """Return where phage is to be met, with a link for the first login while there is no user."""
    if not access.users.is_empty():
        return [f"dashboard at {link_of(settings, port=port)}"]
    link = link_of(settings, access.users.make_link(), port)
    return [f"first login, once and within a day: {link}"]
