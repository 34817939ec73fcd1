"""Sessions: who logged in, until he logs out or is idle for too long.

Of the secret that the browser holds only a digest is kept. Each login makes a new secret, so that
one that somebody planted before (session fixation) is worth nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.access.credentials import digest_of, new_secret
from phage.access.identity import Identity
from phage.access.roles import Role, allowed
from phage.store.repositories.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.store.repositories.browsers import BrowserRepository
    from phage.store.repositories.sessions import SessionRepository
    from phage.store.repositories.users import UserRepository

MAX_OF_USER = 20
"""Sessions of one user; the one that was used least lately ends."""

TOUCH_NS = 60_000_000_000
"""That a session is used is written down once in this time."""

IDLE_SECONDS = 12 * 3600.0
LONGEST_SECONDS = 7 * 86_400.0


class Sessions:
    """Begins, finds and ends sessions.

    Args:
        repository: Where they are kept.
        users: Whose they are.
        browsers: What users are told by while they are not here.
        clock: Tells which have ended.
        idle: Seconds without a request after which one ends.
        longest: Seconds after which one ends in any case.
    """

    def __init__(
        self,
        repository: SessionRepository,
        users: UserRepository,
        browsers: BrowserRepository,
        clock: Clock,
        idle: float = IDLE_SECONDS,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self.longest = longest
        self._repository = repository
        self._users = users
        self._browsers = browsers
        self._clock = clock
        self._idle_ns = int(idle * 1e9)
        self._longest_ns = int(longest * 1e9)

    def begin(self, user: str, address: str, agent: str, former: str = "") -> str:
        """Begin a session and end the former one; return the secret for the browser."""
        now = self._clock.now()
        if former:
            self.end(digest_of(former))
        self._repository.expire(now - self._idle_ns, now - self._longest_ns)
        secret = new_secret()
        session = Session(digest_of(secret), user, now, now, address[:64], agent[:256])
        self._repository.add(session, MAX_OF_USER)
        return secret

    def identify(self, secret: str, *, is_used: bool = True) -> Identity | None:
        """Return whose session a secret is; None where it is nobody's any more.

        Args:
            secret: What the browser shows.
            is_used: Somebody asks for something; False does not put off the session's end.
        """
        session = self._repository.get(digest_of(secret))
        if session is None:
            return None
        now = self._clock.now()
        old = now - session.created > self._longest_ns or now - session.last_used > self._idle_ns
        user = None if old else self._users.get(session.username)
        if user is None:
            self._repository.remove(session.digest)
            return None
        if is_used and now - session.last_used > TOUCH_NS:
            self._repository.touch(session.digest, now)
        role = Role(user.role)
        return Identity(user.name, role, allowed(role), session=session.digest)

    def of(self, user: str) -> Sequence[Session]:
        """Return a user's sessions."""
        return self._repository.list(user)

    def end(self, digest: str) -> None:
        """End a session."""
        self._repository.remove(digest)

    def end_all(self, user: str, but: str = "") -> None:
        """End a user's sessions, but for one; no browser of his is told anything any more."""
        self._repository.remove_of(user, but)
        self._browsers.remove_of(user)
