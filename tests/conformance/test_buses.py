"""Every bus there is, crossed with every check of buses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.bus.buses.redis import URL_VARIABLE
from phage.cli.commands.plugins import known_families
from phage.plugin import Plugin, discover
from phage.testing.conformance.buses import CHECKS
from phage.testing.redis import redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.bus.bus import Bus

BUSES = [plugin for plugin in discover(known_families()["buses"]) if plugin.is_available]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as url:
            yield url
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.system
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("plugin", BUSES, ids=lambda plugin: plugin.name)
def test_bus(
    plugin: Plugin,
    check: Callable[[Bus], None],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert plugin.factory is not None
    if plugin.name == "redis":
        monkeypatch.setenv(URL_VARIABLE, request.getfixturevalue("redis"))
    bus = plugin.factory()
    try:
        check(bus)
    finally:
        bus.close()
