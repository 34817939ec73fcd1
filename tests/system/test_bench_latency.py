"""The measurement of what blocking costs measures something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.daemon.benchmark import latency

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.system


def test_both_routers_are_measured(
    needs: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("ip", "ping", "iperf3", "nft")
    for name, value in (("ROUNDS", 2), ("PINGS", 50), ("TRANSFERS", 1), ("TRANSFER_SECONDS", 1)):
        monkeypatch.setattr(latency, name, value)
    cost = latency.measure()
    assert cost.latency_bare > 0
    assert cost.latency_armed > 0
    assert cost.throughput_bare > 0
    assert cost.throughput_armed > 0
