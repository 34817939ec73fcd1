"""Web Push in the daemon: the key that messages are signed with, and the browsers that get them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from phage.config.savefile import save_over
from phage.daemon.storesink import location
from phage.errors import ConfigError, StateError
from phage.notify.browsers import Browsers
from phage.notify.dispatch import Channel
from phage.notify.notice import Notice
from phage.records import Severity
from phage.store.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.notify.webpush import Pusher
    from phage.store.repositories.browsers import BrowserRepository
    from phage.store.store import Store, StoreLocation

MAX_KEY = 4096

TEST_SECONDS = 8.0
"""How long a test goes on to browser after browser; who asks for it waits."""


def make_push_desk(settings: Settings, state: StateDirectory, clock: Clock) -> LocalPushDesk | None:
    """Return what tells browsers; None where nobody is to be, or the settings use its name."""
    own = settings.api
    if not own.enabled or not own.push or LocalPushDesk.name in settings.notify:
        return None
    return LocalPushDesk(state.push_key, location(settings), own.push_contact, clock)


class LocalPushDesk:
    """Tells browsers, as a notifier.

    Nothing is opened or made before somebody subscribes or is to be told. May be called from
    several threads.

    Args:
        file: Where the key lies; it is made when it is first needed. Without it browsers that are
            subscribed are told nothing, and subscribe anew when they open the dashboard.
        location: Where the store is.
        contact: Whom a push service may write to; '' for nobody.
        clock: Tells the time.
    """

    name: ClassVar[str] = "browsers"
    summary: ClassVar[str] = "browsers of people who asked to be told, by Web Push"

    def __init__(self, file: Path, location: StoreLocation, contact: str, clock: Clock) -> None:
        self._file = file
        self._location = location
        self._contact = contact
        self._clock = clock
        self._lock = threading.RLock()
        self._testing = threading.Lock()
        self._store: Store | None = None
        self._pusher: Pusher | None = None

    @property
    def channel(self) -> Channel:
        """The channel by which findings and decisions reach browsers."""
        return Channel(self.name, self, Severity.MEDIUM)

    def key(self) -> str:
        """Return by what browsers know who sends, in base64url."""
        return self._made().public_key

    def check(self) -> str:
        """Return '': there is nothing to set, people subscribe."""
        return ""

    def tell(self, notice: Notice) -> None:
        """Tell all browsers. Raises NotifyError when none took it."""
        if self._kept().list():  # Nothing is loaded for nobody.
            self._browsers().tell(notice)

    def test(self, user: str) -> int:
        """Tell a user's browsers that this is a test. Raises NotifyError, StateError."""
        if not self._kept().list(user):
            message = "no browser of yours is subscribed; the bell at the top subscribes one"
            raise StateError(message)
        text = "If you can read this, phage can tell you here."
        notice = Notice("Test", text, Severity.INFO, self._clock.now(), "test")
        if not self._testing.acquire(blocking=False):
            message = "a test is under way; ask again in a moment"
            raise StateError(message)
        try:
            return self._browsers().tell(notice, user, TEST_SECONDS)
        finally:
            self._testing.release()

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _browsers(self) -> Browsers:
        return Browsers(self._kept(), self._made(), self._clock)

    def _kept(self) -> BrowserRepository:
        with self._lock:
            if self._store is None:
                self._store = open_store(self._location, self._clock)
            return self._store.browsers

    def _made(self) -> Pusher:
        from phage.notify.webpush import Pusher, new_key  # noqa: PLC0415  Only for who subscribes.

        with self._lock:
            if self._pusher is None:
                if not self._file.exists():
                    save_over(self._file, new_key().decode("ascii"))
                self._pusher = Pusher(_read(self._file), self._contact)
            return self._pusher


def _read(file: Path) -> bytes:
    """Return a key. Raises ConfigError."""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY)
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}"
        raise ConfigError(message) from error
