"""Every notifier there is, crossed with every check of notifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.notify.channels import NOTIFIERS
from phage.plugin import Plugin, discover
from phage.testing.conformance.notifiers import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

AVAILABLE = [plugin for plugin in discover(NOTIFIERS) if plugin.is_available]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("plugin", AVAILABLE, ids=lambda plugin: plugin.name)
def test_notifier(plugin: Plugin, check: Callable[[Any], None]) -> None:
    assert plugin.factory is not None
    check(plugin.factory)
