"""What is told of flows by columns is what is told of each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from phage.detect.logins import BY_PORT, over_or_sessions
from phage.detect.probes import Outcome, by_sources, outcome_of, talk
from phage.detect.rows import Flow, rows_of
from phage.records import Window
from phage.records.columns import FLOW, Event, TcpState

ROWS = 1000


@pytest.fixture
def window() -> Window:
    """Return flows of all kinds, drawn by lot."""
    rng = np.random.default_rng(7)
    flows = np.zeros(ROWS, FLOW)
    flows["id"] = np.arange(ROWS)
    flows["last"] = rng.integers(0, 2 * 10**11, ROWS)
    flows["protocol"] = rng.choice([1, 6, 17, 58], ROWS)
    flows["state"] = rng.integers(0, 8, ROWS)
    flows["event"] = rng.integers(1, 8, ROWS)
    flows["flags"] = rng.choice([0, 2, 4, 16, 18], (ROWS, 2))
    flows["packets"] = rng.integers(0, 3, (ROWS, 2))
    flows["payload"] = rng.integers(0, 10_000, (ROWS, 2))
    flows["errors"] = rng.choice([0, 0, 1], ROWS)
    flows["src_port"] = rng.choice([8, 53, 40_000], ROWS)
    flows["dst_port"] = rng.choice([22, 53, 443, 1883, 40_000, 65_535], ROWS)
    flows["src_mac"] = rng.integers(1, 4, ROWS)
    return Window(start=0, end=1, flows=flows)


def test_talk_is_what_goes_on_and_is_answered(window: Window) -> None:
    said = dict(zip(rows_of(window).flows, talk(rows_of(window).flow_columns), strict=True))
    assert 0 < sum(said.values()) < ROWS
    for row, is_talk in said.items():
        goes_on = row.event == Event.UPDATED and row.received and not row.errors
        if row.protocol == 6:
            goes_on = goes_on and row.state == TcpState.ESTABLISHED
        answered = outcome_of(row) is Outcome.ANSWERED and row.protocol in {6, 17}
        assert is_talk == bool(goes_on and answered), row


def test_sources_are_known_by_mac_or_address(window: Window) -> None:
    flows = window.flows
    assert by_sources(flows, {2}).tolist() == (flows["src_mac"] == 2).tolist()
    assert by_sources(flows, {bytes(16)}).all()


def tells_of_a_login(row: Flow) -> bool:
    """Tell it of one row."""
    service = BY_PORT.get(row.dst_port)
    if row.protocol != 6 or service is None or not row.received:
        return False
    if row.state < TcpState.ESTABLISHED or row.state == TcpState.REFUSED:
        return False
    large = row.payload_sent > service.up[1] or row.payload_received > service.down[1]
    over = row.event & Event.ENDED or row.state in {TcpState.CLOSED, TcpState.RESET}
    return bool(over or large or row.last - row.start > service.lasts_s * 1e9)


def test_logins_are_told_when_they_are_over_or_sessions(window: Window) -> None:
    rows = rows_of(window)
    told = over_or_sessions(rows.flow_columns).tolist()
    assert told == [tells_of_a_login(row) for row in rows.flows]
    assert 0 < sum(told) < ROWS
