"""Host mode: packets are counted by host, prefix and source of requests, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.config.settings import Settings
from phage.daemon.benchmark import traffic
from phage.daemon.engine import engine_settings
from phage.errors import PhageError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.records import Window

PACKETS = 5000


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostmode") / "busy.pcap"
    traffic.write_pcap(path, traffic.busy_network(PACKETS, seconds=3.0))
    return path


def windows(capture: Path, requests: str | None) -> tuple[list[Window], dict[str, int]]:
    settings = Settings.model_validate({"capture": {"mode": "host", "requests": requests}})
    collector = PcapFileCollector(engine_settings(settings, seed=1), [str(capture)])
    collector.open()
    found = list(collector.windows())
    counters = dict(collector.counters())
    collector.close()
    return found, counters


def test_every_packet_is_a_request_of_its_source(capture: Path) -> None:
    found, counters = windows(capture, "")
    assert sum(window.packets for window in found) == PACKETS
    assert sum(int(window.requests["packets"].sum()) for window in found) == PACKETS
    assert counters["requests"] == PACKETS
    assert not any(len(window.flows) or len(window.hosts) for window in found)
    assert any(len(window.volumes) for window in found)
    busiest = found[0].requests["packets"].tolist()
    assert busiest == sorted(busiest, reverse=True)


def test_a_filter_says_what_is_a_request(capture: Path) -> None:
    tcp, udp = (windows(capture, text)[1]["requests"] for text in ("tcp", "udp"))
    assert 0 < udp < tcp
    assert tcp + udp <= PACKETS


def test_without_a_wish_none_are_counted(capture: Path) -> None:
    found, counters = windows(capture, None)
    assert "requests" not in counters
    assert not any(len(window.requests) for window in found)


def test_a_filter_that_is_wrong_is_told(capture: Path) -> None:
    with pytest.raises((PhageError, ValueError), match="nonsense"):
        windows(capture, "nonsense nonsense")
