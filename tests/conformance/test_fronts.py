"""Every front there is, crossed with every check of fronts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.plugin import discover
from phage.scan.front import FRONTS
from phage.testing.conformance.fronts import CHECKS
from phage.testing.judge import FakeJudge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("plugin", discover(FRONTS), ids=lambda plugin: plugin.name)
def test_fronts(plugin: Any, check: Any, tmp_path: Path) -> None:
    check(plugin.factory, FakeJudge(tmp_path))
