"""Every engine there is, crossed with every check of engines, in the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.config.scan import ScanSettings
from phage.scan.engineset import EngineSet, find_engines
from phage.scan.work import NoResults, Worker, WorkOptions
from phage.testing.conformance.engines import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.scan.engine import Engine


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> EngineSet:
    return find_engines(ScanSettings(), tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def worker(engines: EngineSet) -> Iterator[Worker]:
    made = Worker(engines, NoResults(), SystemClock(), WorkOptions(unpack=False))
    made.start()
    yield made
    made.close()


NAMES = (
    "die", "elftools", "exiftool", "fingerprint", "hashlist", "libmagic", "lief", "magika",
    "office", "pdf", "pefile", "quicksand", "yara",
)  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_engine(
    engines: EngineSet, worker: Worker, name: str, check: Callable[[Engine, Worker], None]
) -> None:
    if name not in engines.ready:
        pytest.skip(f"{name}: {engines.unavailable.get(name)}")
    assert not worker.lacking(name)
    check(engines.ready[name].engine, worker)


def test_every_engine_is_here_or_says_why(engines: EngineSet) -> None:
    assert set(NAMES) <= {*engines.ready, *engines.unavailable}
    assert all(engines.unavailable.values())
    assert all(engines.idle.values())
