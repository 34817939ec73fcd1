"""Fronts as the settings name them, and one whose address somebody else has."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, cast

import pytest

from phage.clock import FixedClock
from phage.config.scan import ScanSettings
from phage.daemon.scanfronts import AGAIN_SECONDS, Fronts
from phage.errors import ConfigError

if TYPE_CHECKING:
    from phage.scan.desk import Judge

JUDGE = cast("Judge", None)


def test_one_that_cannot_listen_is_tried_again_and_others_go_on() -> None:
    clock = FixedClock(10**18)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        settings = ScanSettings(
            fronts={"clamd": {"listen": taken}, "icap": {"listen": "127.0.0.1:0"}}
        )
        fronts = Fronts(settings, JUDGE, clock)
        fronts.look()
        assert [each.name for each in fronts.opened] == ["icap"]
    fronts.look()
    assert len(fronts.opened) == 1  # Not at every look.
    clock.nanoseconds += int(AGAIN_SECONDS * 1e9)
    fronts.look()
    assert [each.name for each in fronts.opened] == ["icap", "clamd"]
    with socket.create_connection(("127.0.0.1", int(taken.rpartition(":")[2])), 60) as client:
        client.settimeout(60)
        client.sendall(b"nPING\n")
        assert client.recv(100) == b"PONG\n"
    fronts.close()


def test_a_name_that_is_no_front_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match="no front 'clamp'"):
        Fronts(ScanSettings(fronts={"clamp": {}}), JUDGE, FixedClock(0))
