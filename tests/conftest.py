"""What every test shares: profiles, peer data, and the rule that CI skips no system test."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
# CI tells that something fails, not the smallest case: shrinking may take five minutes a test.
hypothesis.settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
hypothesis.settings.register_profile("nightly", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

IN_CI = bool(os.environ.get("CI"))


@pytest.fixture(scope="session")
def peer_data() -> Path:
    """Return the folder of other projects' data; skip where there is none."""
    folder = os.environ.get("PHAGE_PEER_DATA")
    if not folder:
        pytest.skip("PHAGE_PEER_DATA is not set")
    return Path(folder)


def pytest_collection_finish() -> None:
    """Set aside what is imported: it is not looked through at each module's end."""
    collect_garbage()


def collect_garbage() -> None:
    """Collect garbage, and set aside what is left: to look through all takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def garbage() -> Iterator[None]:
    """Collect garbage at a module's end: what nobody closed fails here, not in a later module."""
    yield
    collect_garbage()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped system test into a failure where CI runs."""
    report = yield
    if (
        IN_CI
        and report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("system")
    ):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"a system test was skipped in CI: {reason}"
    return report
