"""Every plug-in there is, crossed with every check of plug-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.cli.commands.plugins import known_families
from phage.plugin import Plugin, discover
from phage.testing.conformance.plugins import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGINS = [plugin for family in known_families().values() for plugin in discover(family)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: f"{plugin.family}-{plugin.name}")
def test_plugin(plugin: Plugin, check: Callable[[Plugin], None]) -> None:
    check(plugin)


@pytest.mark.parametrize("family", known_families().values(), ids=lambda family: family.name)
def test_every_family_has_plugins(family: object) -> None:
    assert [plugin for plugin in PLUGINS if plugin.family == getattr(family, "name", "")]
