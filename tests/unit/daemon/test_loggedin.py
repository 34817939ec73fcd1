"""Who is logged in to the dashboard is never blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.access.roles import Role
from phage.clock import FixedClock
from phage.daemon.loggedin import RECENT_NS, LoggedIn
from phage.policy.allowlist import AllowList
from phage.records.decision import Action, Decision, Target, TargetKind
from phage.store.repositories.sessions import Session
from phage.store.repositories.users import User
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    clock = FixedClock(EPOCH)
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as opened:
        for role in Role:
            opened.users.add(User(role.value, role.value, "", "", 0, EPOCH, EPOCH, 0))
        yield opened


def begin(store: Store, user: str, address: str, last: int = EPOCH) -> None:
    store.sessions.add(Session(f"{user} {address}", user, EPOCH, last, address), 20)


def values(found: LoggedIn) -> list[str]:
    return [entry.value for entry in found.entries()]


def test_who_may_change_something_and_was_there_lately(store: Store) -> None:
    begin(store, "admin", "203.0.113.5")
    begin(store, "admin", "::ffff:203.0.113.6")
    begin(store, "operator", "2001:db8::5")
    begin(store, "viewer", "203.0.113.7")
    begin(store, "admin", "203.0.113.8", EPOCH - RECENT_NS)
    begin(store, "admin", "a name")
    clock = FixedClock(EPOCH + 1)
    assert values(LoggedIn(store.sessions, clock)) == ["2001:db8::5", "203.0.113.5", "203.0.113.6"]


def test_nothing_is_decided_against_them(store: Store) -> None:
    begin(store, "admin", "203.0.113.5")
    allow = AllowList(sources=[LoggedIn(store.sessions, FixedClock(EPOCH))])
    assert allow.look() == {"203.0.113.5"}
    ban = Decision(Target(TargetKind.PREFIX, "203.0.113.0/24"), Action.BAN, "why", EPOCH)
    assert "logged in to the dashboard" in allow.objection(ban)


def test_who_was_there_stays_while_the_store_cannot_be_read(store: Store) -> None:
    begin(store, "admin", "203.0.113.5")
    found = LoggedIn(store.sessions, FixedClock(EPOCH))
    assert values(found) == ["203.0.113.5"]
    store.close()
    assert values(found) == ["203.0.113.5"]
