"""Every bus there is, crossed with every check of buses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.cli.commands.plugins import known_families
from phage.plugin import Plugin, discover
from phage.testing.conformance.buses import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.bus.bus import Bus

BUSES = [plugin for plugin in discover(known_families()["buses"]) if plugin.is_available]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("plugin", BUSES, ids=lambda plugin: plugin.name)
def test_bus(plugin: Plugin, check: Callable[[Bus], None]) -> None:
    assert plugin.factory is not None
    bus = plugin.factory()
    try:
        check(bus)
    finally:
        bus.close()
