"""The API over a store of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.store.store import StoreLocation
from phage.testing.apilab import ApiLab, api_lab, quick_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.clock import FixedClock


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    with quick_passwords():
        yield


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ApiLab]:
    """Give the API over an empty store."""
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with api_lab(location, tmp_path / "captures") as made:
        yield made


@pytest.fixture
def clock(lab: ApiLab) -> FixedClock:
    """Give the clock of the API."""
    return lab.clock
