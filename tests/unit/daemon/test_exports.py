"""Exporters in the daemon: collectors from settings, templates and counts that are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from phage.clock import FixedClock
from phage.config.settings import Settings
from phage.daemon.exports import ExporterKeeper, load_templates, make_export_collectors
from phage.errors import StateError
from phage.records import Window
from phage.records.exporter import Exporter
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from phage.collect.exports import ExportCollector

ROUTER = Exporter("192.0.2.1", 7, 9, "edge", EPOCH, EPOCH, datagrams=2, records=60)


class _Collector:
    name = "netflow"

    def __init__(self) -> None:
        self.known: list[Exporter] = []
        self.loaded: list[bytes] = []

    def exporters(self) -> list[Exporter]:
        return self.known

    def save_templates(self) -> bytes:
        return b"templates"

    def load_templates(self, state: bytes) -> None:
        if state != b"templates":
            message = "damaged"
            raise StateError(message)
        self.loaded.append(state)


def test_collectors_follow_from_settings() -> None:
    settings = Settings.model_validate(
        {
            "collect": {
                "flows": {
                    "netflow": ["127.0.0.1:2055"],
                    "sflow": ["127.0.0.1:6343"],
                    "ipfix_tcp": ["127.0.0.1:4739"],
                    "threads": 2,
                    "exporters": [{"address": "192.0.2.1", "name": "edge", "sampling": 100}],
                }
            }
        }
    )
    made = make_export_collectors(settings, lambda: 1)
    assert [each.name for each in made] == ["netflow", "netflow", "sflow", "sflow"]
    assert made[0].interface == "udp 127.0.0.1:2055, tcp 127.0.0.1:4739"
    assert made[1].interface == "udp 127.0.0.1:2055"
    assert make_export_collectors(Settings(), lambda: 1) == []


def test_only_what_is_new_is_stored(tmp_path: Path) -> None:
    collector, stored, clock = _Collector(), list[Exporter](), FixedClock(EPOCH)
    collectors = [cast("ExportCollector", collector)]
    keeper = ExporterKeeper(collectors, stored.extend, tmp_path, clock)
    collector.known = [ROUTER, replace(ROUTER, domain=9, last_seen=0)]
    keeper.window(Window(EPOCH, EPOCH))
    assert stored == [ROUTER]
    keeper.store_exporters()
    assert stored == [ROUTER], "nothing came"
    more = replace(ROUTER, datagrams=5, records=150, last_seen=EPOCH + 9, first_seen=EPOCH + 9)
    collector.known = [more]
    keeper.close()
    assert stored[1] == replace(more, datagrams=3, records=90, first_seen=EPOCH)


def test_templates_are_loaded_by_every_collector(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = ExporterKeeper(
        [cast("ExportCollector", _Collector())], lambda _: None, tmp_path, FixedClock(EPOCH)
    )
    keeper.save()
    (tmp_path / "old-0.templates").write_text("???")
    others = [_Collector(), _Collector()]
    load_templates([cast("ExportCollector", each) for each in others], tmp_path)
    assert [each.loaded for each in others] == [[b"templates"]] * 2
    assert "old-0.templates" in caplog.text
