"""What tests of file scanning share: one scanner for a session, since a sandbox takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.config.scan import ScanSettings
from phage.scan.engineset import find_engines
from phage.scan.scanner import Scanner
from phage.scan.tree import Bounds
from phage.scan.work import WorkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

LIGHT = ("hashlist", "office", "pdf", "yara")


@pytest.fixture(scope="session")
def scanner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanner]:
    """Return a scanner with the engines that judge and need nothing but Python packages."""
    pytest.importorskip("yara_x")
    pytest.importorskip("oletools")
    folder = tmp_path_factory.mktemp("scan")
    engines = find_engines(ScanSettings(), folder / "engines", LIGHT)
    options = WorkOptions(
        bounds=Bounds(seconds=300.0), passwords=("wrong", "infected"), folder=folder
    )
    with Scanner(engines, SystemClock(), options, processes=1) as made:
        yield made
