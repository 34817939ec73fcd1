"""Settings become collectors of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.config.collect import CollectSettings
from phage.daemon.logcollectors import make_log_collectors
from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def made(tmp_path: Path, settings: dict[str, object]) -> list[str]:
    validated = CollectSettings.model_validate(settings)
    return [each.name for each in make_log_collectors(validated, FixedClock(), tmp_path)]


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    assert made(tmp_path, {}) == []


def test_logs_and_alerts(tmp_path: Path) -> None:
    logs = [{"path": "/var/log/auth.log"}, {"path": "/a.log", "pattern": "no <address>"}]
    eve = {"paths": ["/var/log/suricata/eve.json"]}
    assert made(tmp_path, {"logs": logs, "eve": eve}) == ["logfile", "evejson"]


def test_a_wrong_pattern_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could choose the address"):
        made(tmp_path, {"logs": [{"path": "/a", "pattern": "(?P<user>[^ ]*) <address> .*"}]})
