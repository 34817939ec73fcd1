"""The dashboard over a household, with a daemon that is made up."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.store.store import StoreLocation, open_store
from phage.testing.apilab import ApiLab, api_lab, quick_passwords
from phage.testing.desks import FakeRuleDesk, FakeSettingsDesk
from phage.testing.fakedaemon import FakeDaemon
from phage.testing.household import furnish
from phage.testing.records import EPOCH
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    with quick_passwords():
        yield


@pytest.fixture
def daemon() -> FakeDaemon:
    """Give a daemon."""
    return FakeDaemon()


@pytest.fixture
def empty(tmp_path: Path, daemon: FakeDaemon) -> Iterator[ApiLab]:
    """Give the dashboard of a phage that has seen nothing."""
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with api_lab(location, tmp_path / "captures", Dashboard()) as made:
        yield made.having(steer=daemon, rules=FakeRuleDesk(), settings=FakeSettingsDesk())


@pytest.fixture(scope="session")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the store of a household, to be copied."""
    file = tmp_path_factory.mktemp("household") / "store.sqlite3"
    with open_store(StoreLocation.of("", "", file), FixedClock(EPOCH)) as store:
        furnish(store, EPOCH)
    return file


@pytest.fixture
def lab(tmp_path: Path, daemon: FakeDaemon, household: Path) -> Iterator[ApiLab]:
    """Give the dashboard of a household."""
    file = tmp_path / "household.sqlite3"
    shutil.copy(household, file)
    location = StoreLocation.of("", "", file)
    with api_lab(location, tmp_path / "captures", Dashboard()) as made:
        yield made.having(steer=daemon, rules=FakeRuleDesk(), settings=FakeSettingsDesk())
