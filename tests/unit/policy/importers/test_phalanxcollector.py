"""phalanx's collector.conf becomes settings."""

from __future__ import annotations

import pytest

from phage.errors import ConfigError
from phage.policy.importer import Source
from phage.policy.importers.phalanx import Phalanx
from phage.policy.importers.phalanxcollector import PhalanxCollector

INFLUX = 'influx = "http://192.0.2.87:8086/write?db=flows"\n'


def read(text: str) -> dict[str, object]:
    found = PhalanxCollector().read(Source("collector.conf", text))
    assert not found.rules
    return {".".join(map(str, change.key)): change.value for change in found.settings}


def test_host_mode() -> None:
    text = INFLUX + (
        'capturemode = "host-based"\ndevice = "ens3"\ncapturefilter = "tcp and port 80 or port 443"'
    )
    assert read(text) == {
        "capture.mode": "host",
        "interfaces": ["ens3"],
        "capture.requests": "tcp and port 80 or port 443",
        "outputs.influx.url": "http://192.0.2.87:8086/write?db=flows",
    }


def test_netflow() -> None:
    text = 'capturemode = "netflow"\ndevice = "ens3"\nother = 1'
    assert read(text) == {"collect.flows.netflow": ["0.0.0.0:9995"], "capture.enabled": False}
    left = PhalanxCollector().read(Source("collector.conf", text)).left
    assert [(item.what, item.line) for item in left] == [("other", 3), ("device", 2)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('capturemode = "x"', "collector.conf:1: capturemode"),
        ('influx = "ftp://x"', "influx: must be an http URL"),
        ("device = 5", "device: must be text"),
        ("device = ", "is not TOML"),
        ('capturemode = "host-based"\ndevice = "a/b"', "collector.conf:2: device"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(text)


def test_it_is_told_from_detector_conf() -> None:
    collector = Source("c", INFLUX + 'capturemode = "netflow"')
    detector = Source("d", 'capturemode = "netflow"\nmaxreq = 1\nbantime = 2')
    assert PhalanxCollector().claims(collector) > Phalanx().claims(collector)
    assert Phalanx().claims(detector) > PhalanxCollector().claims(detector)
