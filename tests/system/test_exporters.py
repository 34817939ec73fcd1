"""Real exporters: softflowd and pmacct export a capture, and every packet of it is counted."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from phage.collect.collectors.netflow import NetFlowCollector
from phage.collect.exports import ExportSettings, Listening
from phage.daemon.benchmark import traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.records import Window

pytestmark = pytest.mark.system

PACKETS = 20_000

NFPROBE = """daemonize: false
pcap_savefile: {capture}
plugins: nfprobe
nfprobe_receiver: {receiver}
nfprobe_version: {version}
aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags
"""

SFPROBE = """daemonize: false
pcap_savefile: {capture}
plugins: sfprobe
sfprobe_receiver: {receiver}
sampling_rate: 4
"""


class _Heard:
    """A collector that runs while an exporter does."""

    def __init__(self) -> None:
        self.collector = NetFlowCollector(ExportSettings(), Listening(udp=("127.0.0.1:0",)))
        self.collector.open()
        self.address = self.collector.addresses[0][0]
        self.windows: list[Window] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.windows.extend(self.collector.windows())

    def stop(self) -> None:
        """Wait until nothing comes any more, then stop."""
        heard = -1
        while (now := self.collector.counters()["exports.datagrams"]) != heard:
            heard = now
            time.sleep(0.5)
        self.collector.stop()
        self._thread.join()

    @property
    def packets(self) -> int:
        """Packets that were told of, sampling applied."""
        return sum(window.packets for window in self.windows)


@pytest.fixture
def heard() -> Iterator[_Heard]:
    heard = _Heard()
    yield heard
    heard.stop()
    heard.collector.close()


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exporters") / "busy.pcap"
    traffic.write_pcap(path, traffic.busy_network(PACKETS, seconds=20.0))
    return path


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("version", [5, 9, 10])
def test_softflowd(heard: _Heard, capture: Path, version: int) -> None:
    command = [_program("softflowd"), "-d", "-r", str(capture), "-n", heard.address]
    subprocess.run([*command, "-v", str(version)], check=True, capture_output=True, timeout=60)
    heard.stop()
    assert heard.packets == PACKETS
    (exporter,) = heard.collector.exporters()
    assert (exporter.version, exporter.malformed) == (version, 0)
    if version != 10:  # Its IPFIX numbers messages as no RFC does.
        assert exporter.lost == 0


@pytest.mark.parametrize(
    ("settings", "version", "sampling"),
    [(NFPROBE, 9, 1), (NFPROBE, 10, 1), (SFPROBE, 105, 4)],
    ids=("v9", "ipfix", "sflow"),
)
def test_pmacct(
    heard: _Heard, capture: Path, tmp_path: Path, settings: str, version: int, sampling: int
) -> None:
    file = tmp_path / "pmacctd.conf"
    file.write_text(
        settings.format(capture=capture, receiver=heard.address, version=version), encoding="utf-8"
    )
    # Its exit code at the end of a capture is now 0, now 1.
    subprocess.run(
        [_program("pmacctd"), "-f", str(file)], check=False, capture_output=True, timeout=60
    )
    heard.stop()
    (exporter,) = heard.collector.exporters()
    assert (exporter.version, exporter.lost, exporter.malformed) == (version, 0, 0)
    # One packet in four is looked at: the estimate is within some per cent.
    tolerance = 0 if sampling == 1 else PACKETS // 10
    assert abs(heard.packets - PACKETS) <= tolerance
