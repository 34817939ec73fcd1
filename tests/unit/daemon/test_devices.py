"""Devices in the daemon: what they say ends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.clock import FixedClock
from phage.config.settings import Settings
from phage.config.statedir import StateDirectory
from phage.daemon.devices import make_devices
from phage.detect.detector import Knowledge
from phage.records import Window
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_fault_of_ours_does_not_end_detection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_devices(Settings(), StateDirectory(tmp_path), FixedClock(EPOCH))

    def fail(window: Window) -> None:
        message = f"odd at {window.end}"
        raise KeyError(message)

    monkeypatch.setattr(service.inventory, "take", fail)
    knowledge = Knowledge()
    service.take(Window(EPOCH, EPOCH + 1), knowledge)
    assert service.failures == 1
    assert "odd at" in service.fault
    assert knowledge.deviations == ()
