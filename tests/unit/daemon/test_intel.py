"""Feeds are got aside, and what they say is in force, also after a restart without a network."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.collect.logs.told import ToldFeed
from phage.config.settings import Settings
from phage.config.statedir import StateDirectory
from phage.daemon.hunting import RetroHunt
from phage.daemon.intel import IntelService, intel_folder, start_intel, subscriptions
from phage.detect.detector import Knowledge
from phage.errors import ConfigError
from phage.records.address import parse_address
from phage.testing.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from phage.intel.catalog import Catalog


def settings_of(tmp_path: Path, **feeds: object) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path / "state", "intel": {"feeds": feeds}})


def first_with(settings: Settings, folder: Path, entries: int) -> Catalog:
    """Return the first catalog with so many entries."""
    came = threading.Event()
    held: list[Catalog] = []

    def publish(catalog: Catalog) -> None:
        if len(catalog) >= entries:
            held.append(catalog)
            came.set()

    retro = RetroHunt(ToldFeed("told"), SystemClock(), 0.0)
    service = IntelService(settings, folder, SystemClock(), publish, retro)
    service.start()
    assert came.wait(60), service.fault or dict(service.faults)
    service.stop()
    return held[0]


def test_a_feed_comes_into_force_and_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("45.1.1.0/24\n")
    settings = settings_of(tmp_path, mine={"type": "netset", "settings": {"url": str(file)}})
    state = StateDirectory(settings.state_folder)
    state.create()
    folder = intel_folder(state)
    assert first_with(settings, folder, 1).address(parse_address("45.1.1.7"))
    file.unlink()
    (mention,) = first_with(settings, folder, 1).address(parse_address("45.1.1.7"))
    assert (mention.feed, mention.value) == ("mine", "45.1.1.0/24")


def test_detectors_are_told(tmp_path: Path) -> None:
    settings, knowledge = settings_of(tmp_path), Knowledge()
    state = StateDirectory(settings.state_folder)
    state.create()
    with ExitStack() as stack:
        told: list[Catalog] = []
        service = start_intel(
            settings, state, SystemClock(), (), knowledge, stack, told.append, ToldFeed("told")
        )
        until("a catalog", lambda: told)
        assert knowledge.intelligence is service.catalog
        assert told[-1] is service.catalog


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ({"type": "spamhause"}, "there is no 'spamhause'"),
        ({"type": "netset"}, "intel.feeds.x.settings: url is not set"),
        ({"type": "netset", "settings": {"nosuch": 1}}, "no such setting"),
    ],
)
def test_a_feed_that_is_not_complete_is_refused(
    tmp_path: Path, feed: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        subscriptions(settings_of(tmp_path, x=feed))


def test_a_feed_that_is_disabled_may_be_incomplete(tmp_path: Path) -> None:
    assert subscriptions(settings_of(tmp_path, x={"type": "netset", "enabled": False})) == []
