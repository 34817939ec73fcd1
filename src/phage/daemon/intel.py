"""Threat intelligence in the daemon: feeds are updated aside, and what they say is put in force."""

from __future__ import annotations

import logging
import tempfile
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from phage.collect.enginecollector import EngineCollector
from phage.collect.joined import JoinedCollector
from phage.config.plugins import make
from phage.daemon.hunting import RetroHunt
from phage.errors import ConfigError, StoreError
from phage.intel import keep
from phage.intel.catalog import Catalog, Source, catalog_of
from phage.intel.feed import FEEDS, FeedError
from phage.intel.fetch import Fetcher, FetchLimits
from phage.intel.known import known_of
from phage.intel.networks import empty, joined, parse_networks
from phage.intel.proof import Proof
from phage.intel.reputation import AbuseCheck
from phage.intel.share import Sharing
from phage.intel.update import Subscription, Updater
from phage.intel.wellknown import WELL_KNOWN
from phage.plugin import discover
from phage.records import Severity
from phage.records.indicator import IndicatorKind
from phage.store.repositories.findings import FindingFilter
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from phage.clock import Clock
    from phage.collect.logs.told import ToldFeed
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.detect.detector import Knowledge
    from phage.intel.feed import Feed
    from phage.records.feedstate import FeedState
    from phage.store.store import Store

_log = logging.getLogger(__name__)

OWN = "own"
"""The feed of what a person imported."""

LOOK_SECONDS = 30.0
"""How often it is looked whether a feed is due."""

STRANGERS_AT_ONCE = 5
"""Addresses that AbuseIPDB is asked about at a look."""

REMAKE_SECONDS = 3600.0
"""Confidence decays and indicators expire: the catalog is made anew at least so often."""


def subscriptions(settings: Settings) -> list[Subscription]:
    """Return the feeds that are enabled. Raises ConfigError for one that is not complete."""
    if not settings.intel.feeds:
        return []  # Nothing is loaded for nothing.
    plugins = {plugin.name: plugin for plugin in discover(FEEDS)}
    found = []
    for name, chosen in settings.intel.feeds.items():
        where = f"intel.feeds.{name}"
        plugin = plugins.get(chosen.type)
        if plugin is None:
            message = f"{where}.type: there is no {chosen.type!r}; there are {', '.join(plugins)}"
            raise ConfigError(message)
        if not chosen.enabled:
            continue
        feed: Feed = make(plugin, chosen.settings, f"{where}.settings")
        if chosen.get and (fault := feed.check()):
            message = f"{where}.settings: {fault}"
            raise ConfigError(message)
        if chosen.signature and chosen.signed_by is None:
            message = f"{where}.signed_by: is not set, and signature is: a key is needed"
            raise ConfigError(message)
        proof = Proof(chosen.checksum, chosen.signature, chosen.signed_by)
        wanted = proof if chosen.checksum or chosen.signature else None
        found.append(Subscription(name, feed, chosen.every, chosen.public, chosen.get, wanted))
    return found


def try_feed(settings: Settings, subscription: Subscription, clock: Clock) -> FeedState:
    """Get a feed and say what would be used of it; nothing is kept."""
    with (
        tempfile.TemporaryDirectory(prefix="phage-feed-") as folder,
        open_store(StoreLocation.of("", "", Path(folder) / "store.sqlite3"), clock) as store,
    ):
        updater = make_updater(settings, Path(folder), store, clock)
        return updater.update(subscription, always=True)


def make_updater(settings: Settings, folder: Path, store: Store, clock: Clock) -> Updater:
    """Return what updates feeds and keeps what they say."""
    known = {**WELL_KNOWN, **known_of(settings.intel.known).networks}
    return Updater(
        store.indicators,
        folder,
        clock,
        partial(make_fetcher, settings, clock),
        tuple(map(str, settings.home)),
        known,
    )


def make_fetcher(settings: Settings, clock: Clock) -> Fetcher:
    """Return what downloads, as the settings say."""
    own = settings.intel
    limits = FetchLimits(octets=own.size, seconds=own.timeout)
    agent = f"phage ({own.contact})" if own.contact else "phage"
    return Fetcher(clock, limits, own.proxy, agent, str(own.ca_file) if own.ca_file else "")


def make_abuse_check(settings: Settings, store: Store, clock: Clock) -> AbuseCheck | None:
    """Return what asks AbuseIPDB; None where there is no key."""
    own = settings.intel.abuseipdb
    if own.key_file is None:
        return None
    fetcher = make_fetcher(settings, clock)
    return AbuseCheck(
        fetcher, store.reputations, clock, own.url, str(own.key_file), own.keep, own.a_day
    )


def ask_about_strangers(check: AbuseCheck, store: Store, now: int) -> None:
    """Ask about strangers of the last hour's findings, a few at a time. Raises FeedError."""
    wanted = FindingFilter(severity=Severity.MEDIUM, since=now - 3600 * 10**9)
    strangers = {each.stranger: None for each in store.findings.list(wanted, 1000)}
    new = [each for each in strangers if each and check.known(each) is None]
    for address in new[:STRANGERS_AT_ONCE]:
        check.ask(address)


def load_catalog(
    feeds: Iterable[Subscription],
    folder: Path,
    store: Store,
    clock: Clock,
    known: Sequence[Path] = (),
) -> Catalog:
    """Return what all feeds say, as it was kept, and what a person imported.

    `known` are lists of what is well known. Raises KnownError.
    """
    states = store.indicators.states()
    sources = []
    for each in feeds:
        networks = keep.load(folder, each.name) or empty()
        indicators = store.indicators.of(each.name)
        state = states.get(each.name)
        updated = state.updated if state is not None else 0
        sources.append(Source(each.name, networks, indicators, each.feed.confidence, updated))
    imported = tuple(store.indicators.of(OWN))
    if imported:
        texts = [each.value for each in imported if each.kind is IndicatorKind.NETWORK]
        networks = joined([parse_networks(texts)]) if texts else empty()
        sources.append(Source(OWN, networks, imported, 90))
    return catalog_of(sources, clock.now(), known_of(known))


def intel_folder(state: StateDirectory) -> Path:
    """Return where networks of feeds are kept."""
    return state.path / "intel"


@dataclass
class IntelService:
    """Updates feeds in a thread of its own and puts what they say in force, whole.

    Attributes:
        settings: The settings in force.
        folder: Where networks of feeds are kept.
        clock: Tells what is due.
        publish: Takes each new catalog; called from the thread.
        retro: Looks what is new up in what is stored.
        catalog: What is in force.
        fault: Why feeds cannot be kept; '' when all is well.
    """

    settings: Settings
    folder: Path
    clock: Clock
    publish: Callable[[Catalog], None]
    retro: RetroHunt
    catalog: Catalog = field(default_factory=Catalog)
    fault: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with feeds, by name."""
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _woken: threading.Event = field(default_factory=threading.Event, init=False)
    _feeds: tuple[Subscription, ...] = field(default=(), init=False)
    _asked: set[str] = field(default_factory=set, init=False)
    _seen: dict[str, int] = field(default_factory=dict, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        """Put in force what was kept, then go on in a thread. Raises ConfigError."""
        self._feeds = tuple(subscriptions(self.settings))
        self._thread = threading.Thread(target=self._run, name="phage-intel", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a download that goes on is left to itself."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def change(self, settings: Settings) -> None:
        """Use the feeds of other settings from now on. Raises ConfigError, and changes nothing."""
        self._feeds = tuple(subscriptions(settings))
        self._woken.set()

    def ask(self, name: str) -> None:
        """Get a feed soon, due or not; its maker's interval is kept."""
        self._asked.add(name)
        self._woken.set()

    def _run(self) -> None:
        password = self.settings.store.password.get_secret_value()
        default = self.settings.state_folder / "store.sqlite3"
        location = StoreLocation.of(self.settings.store.url, password, default)
        remake = 0.0
        used: tuple[Subscription, ...] = ()
        while not self._stopping.is_set():
            self._woken.clear()
            feeds = self._feeds
            remake = remake if feeds == used else 0.0
            try:
                with open_store(location, self.clock) as store:
                    if not remake:  # Before anything is asked of anybody.
                        self._put(feeds, store)
                        used = feeds
                    changed = self._update(feeds, store)
                    now = self.clock.monotonic()
                    if changed or now >= remake:
                        store.indicators.expire(self.clock.now())
                        self._put(feeds, store)
                        remake = now + REMAKE_SECONDS
                    if changed:
                        self.retro.hunt(self.catalog, store)
                    self._ask_about_strangers(store)
                self.fault = ""
            except (StoreError, OSError) as error:
                self.fault = str(error)
                _log.error("feeds: %s", error, extra={"limit": "intel"})
            except Exception as error:  # noqa: BLE001  What one feed says must not end them all.
                self.fault = f"{type(error).__name__}: {error}"
                _log.exception("feeds: %s", self.fault, extra={"limit": "intel"})
            self._woken.wait(LOOK_SECONDS)

    def _ask_about_strangers(self, store: Store) -> None:
        check = make_abuse_check(self.settings, store, self.clock)
        if check is None or not self.settings.intel.abuseipdb.findings:
            return
        try:
            ask_about_strangers(check, store, self.clock.now())
        except FeedError as error:
            _log.warning("AbuseIPDB: %s", error, extra={"limit": "abuseipdb"})

    def _update(self, feeds: Sequence[Subscription], store: Store) -> bool:
        updater = make_updater(self.settings, self.folder, store, self.clock)
        faults = dict(self.faults)
        for each in feeds:
            if self._stopping.is_set():
                break
            always = each.name in self._asked
            self._asked.discard(each.name)
            state = updater.update(each, always=always)
            if state.fault and faults.get(each.name) != state.fault:
                _log.warning("feed %s: %s", each.name, state.fault)
            faults[each.name] = state.fault
        used = {each.name for each in feeds}
        self.faults = {name: fault for name, fault in faults.items() if fault and name in used}
        # `phage feeds update` and `phage indicators import` change the same store meanwhile.
        seen = {name: state.updated for name, state in store.indicators.states().items()}
        changed, self._seen = seen != self._seen, seen
        return changed

    def _put(self, feeds: Sequence[Subscription], store: Store) -> None:
        self.catalog = load_catalog(
            feeds, self.folder, store, self.clock, self.settings.intel.known
        )
        self.publish(self.catalog)


def make_sharing(settings: Settings) -> Sharing:
    """Return what is shared of attackers, as the settings say."""
    own = settings.intel.share
    return Sharing(own.name, tuple(map(str, settings.home)), own.least, own.since)


def start_intel(
    settings: Settings,
    state: StateDirectory,
    clock: Clock,
    collectors: Iterable[object],
    knowledge: Knowledge,
    stack: ExitStack,
    tell: Callable[[Catalog], None],
    told: ToldFeed,
) -> IntelService:
    """Start threat intelligence; networks go to collectors, the rest to detectors.

    `tell` takes each new catalog, in the thread of feeds; `told` what stored traffic shows.

    Called after the collectors are open. Raises ConfigError for a feed that is not complete.
    """
    matching = [each for each in collectors if isinstance(each, EngineCollector | JoinedCollector)]

    def publish(catalog: Catalog) -> None:
        knowledge.intelligence = catalog
        for collector in matching:
            collector.match(catalog.prefixes)
        tell(catalog)

    retro = RetroHunt(told, clock, settings.intel.hunt)
    service = IntelService(settings, intel_folder(state), clock, publish, retro)
    service.start()
    stack.callback(service.stop)
    return service
