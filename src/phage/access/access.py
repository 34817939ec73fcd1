"""All of access, wired to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.access.attempts import Attempts
from phage.access.audit import AuditLog
from phage.access.login import Login
from phage.access.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from phage.access.tokens import Tokens
from phage.access.users import Users
from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.clock import Clock
    from phage.store.store import Store


@frozen
class Access:
    """Who may ask and change what; may be used from several threads.

    Attributes:
        users: Adds, changes and removes users.
        sessions: Begins, finds and ends sessions.
        tokens: Creates, finds and revokes tokens.
        login: Lets users in.
        audit: The log of every change.
    """

    users: Users
    sessions: Sessions
    tokens: Tokens
    login: Login
    audit: AuditLog


def make_access(
    store: Store, clock: Clock, idle: float = IDLE_SECONDS, longest: float = LONGEST_SECONDS
) -> Access:
    """Return access over a store; nothing is read yet.

    Args:
        store: Opened for writing, if anything is to be changed.
        clock: Tells the time.
        idle: Seconds without a request after which a session ends.
        longest: Seconds after which a session ends in any case.
    """
    return Access(
        Users(store.users, clock),
        Sessions(store.sessions, store.users, store.browsers, clock, idle, longest),
        Tokens(store.tokens, store.users, clock),
        Login(store.users, clock, Attempts(clock)),
        AuditLog(store.audit, clock),
    )
