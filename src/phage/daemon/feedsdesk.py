"""Feeds for the API and the dashboard: listed, added, switched, got, tried."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from phage.api.desks import FeedKind, Setting
from phage.config import plugins
from phage.config.local import is_local
from phage.config.savefile import save_over
from phage.daemon.feededits import added, change_feeds, enabled
from phage.daemon.intel import subscriptions, try_feed
from phage.errors import ConfigError, StateError
from phage.intel.feed import FEEDS
from phage.plugin import discover

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.document import Key
    from phage.config.intel import FeedSettings
    from phage.config.settings import Settings
    from phage.daemon.intel import IntelService
    from phage.intel.update import Subscription
    from phage.records.feedstate import FeedState

MAX_FEEDS = 63
"""As many as a catalog tells apart."""

KEY_FILE = "key_file"

TEST_SECONDS = 8.0
"""How long an answer waits for a test; a request has ten."""


@dataclass(slots=True)
class _Trial:
    """One test of a feed, which a thread carries out."""

    subscription: Subscription
    begun: float
    state: FeedState | None = None
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class LocalFeedsDesk:
    """The feeds of this machine's settings file. May be called from several threads.

    Attributes:
        in_force: The settings with which phage was started.
        path: The settings file.
        environment: Variables that settings are taken from, which go before the file.
        keys: The folder where keys are kept that come with a feed.
        service: Uses the feeds.
        clock: Tells when a feed was tried.
    """

    in_force: Settings
    path: Path
    environment: Mapping[str, str]
    keys: Path
    service: IntelService
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _trials: dict[str, _Trial] = field(default_factory=dict, init=False, repr=False)

    def feeds(self) -> Mapping[str, FeedSettings]:
        """Return the feeds by name."""
        return self.in_force.intel.feeds

    def kinds(self) -> Sequence[FeedKind]:
        """Return the kinds of feeds that there are."""
        return [
            FeedKind(
                plugin.name,
                getattr(plugin.factory, "summary", ""),
                getattr(plugin.factory, "terms", ""),
                [
                    Setting((each.name,), each.meaning, str(each.default), str(each.default))
                    for each in described
                    if not is_local(each.name)
                ],
                takes_key=any(each.name == KEY_FILE for each in described),
            )
            for plugin in discover(FEEDS)
            if plugin.factory is not None
            for described in (plugins.describe(plugin),)
        ]

    def add(
        self, name: str, kind: str, settings: Mapping[str, object], every: float, key: str = ""
    ) -> None:
        """Add a feed that is got every so many seconds."""
        with self._lock:
            if name in self.feeds():
                message = f"there is a feed {name!r} already"
                raise StateError(message)
            if len(self.feeds()) >= MAX_FEEDS:
                message = f"there are {MAX_FEEDS} feeds already"
                raise StateError(message)
            _check(settings)
            wanted = {"type": kind, "public": True, "every": every}
            with self._kept(key, name, kind) as kept:
                chosen = {**settings, **kept}
                self._change(added(name, {**wanted, "settings": chosen} if chosen else wanted))

    @contextlib.contextmanager
    def _kept(self, key: str, name: str, kind: str) -> Iterator[Mapping[str, str]]:
        """Keep a key in a file, unless what follows fails; give the setting that names it."""
        if not key:
            yield {}
            return
        if not any(each.takes_key for each in self.kinds() if each.name == kind):
            message = f"{kind} takes no key"
            raise ConfigError(message)
        file = (self.keys / name).absolute()
        save_over(file, f"{key}\n")
        try:
            yield {KEY_FILE: str(file)}
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def enable(self, name: str, *, on: bool) -> None:
        """Enable a feed, or disable it."""
        with self._lock:
            self._require(name)
            self._change(enabled(name, on=on))

    def update(self, name: str) -> None:
        """Have a feed got soon."""
        if not self._require(name).enabled:
            message = f"{name} is disabled"
            raise StateError(message)
        self.service.ask(name)

    def test(self, name: str) -> FeedState | None:
        """Get a feed, keep nothing, and return what would be used."""
        with self._lock:
            trial = self._trials.get(name) or self._begin(name)
            if trial.over.is_set() and (trial.state is None or not self._rests(trial)):
                trial = self._begin(name)
        trial.over.wait(TEST_SECONDS)
        return trial.state

    def _begin(self, name: str) -> _Trial:
        """Try a feed in a thread; one at a time."""
        if any(not each.over.is_set() for each in self._trials.values()):
            message = "another feed is being tried; ask again when that is done"
            raise StateError(message)
        self._require(name)
        found = [each for each in subscriptions(self.in_force) if each.name == name]
        if not found:
            message = f"{name} is disabled"
            raise StateError(message)
        trial = _Trial(found[0], self.clock.monotonic())

        def work() -> None:
            try:
                trial.state = try_feed(self.in_force, trial.subscription, self.clock)
            finally:
                trial.over.set()

        threading.Thread(target=work, name="phage-feed-test", daemon=True).start()
        self._trials[name] = trial  # Of a thread that could not start nobody waits for the end.
        return trial

    def _rests(self, trial: _Trial) -> bool:
        """Tell whether a feed's maker does not want to be asked again yet."""
        return self.clock.monotonic() - trial.begun < trial.subscription.feed.least_s

    def _require(self, name: str) -> FeedSettings:
        if name not in self.feeds():
            message = f"there is no feed {name!r}"
            raise StateError(message)
        return self.feeds()[name]

    def _change(self, changes: Sequence[tuple[Key, object]]) -> None:
        """Write the file, then use its feeds; all else in it waits for the next start."""
        written = change_feeds(self.path, changes, self.environment or os.environ)
        intel = self.in_force.intel.model_copy(update={"feeds": written.intel.feeds})
        self.in_force = self.in_force.model_copy(update={"intel": intel})
        self.service.change(self.in_force)


def _check(settings: Mapping[str, object]) -> None:
    """Refuse what only phage's own machine may say: files, and servers at home."""
    for key, value in settings.items():
        if is_local(key) or key == "key":
            message = f"{key} is set on phage's own machine only; a key comes beside the settings"
            raise ConfigError(message)
        if key == "url" and isinstance(value, str) and value:
            _check_url(value)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme = host = ""
    if not host or scheme not in {"http", "https"}:
        message = "url: must be http:// or https://; files are named on phage's own machine"
        raise ConfigError(message)
    try:
        is_public = ipaddress.ip_address(host).is_global
    except ValueError:  # A name is looked at whenever it is resolved.
        is_public = host.rpartition(".")[2].lower() not in {"localhost", "local", "internal"}
    if not is_public:
        message = f"url: {host} is no public address; such feeds are named on phage's own machine"
        raise ConfigError(message)
