"""`phage devices scan --url`: a phage elsewhere scans, and tells what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.cli import remotescans
from phage.cli.progress import StepsBar
from phage.client.client import ClientError
from phage.errors import StateError
from phage.records.scan import ScanOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = {"id": "001a", "hosts": [], "hosts_total": 0, "seconds": 1.0, "fault": ""}


class FakeClient:
    """Answers as the API does while a scan runs for two questions."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        if path.endswith("/gone"):
            message = "there is no scan"
            raise ClientError(message, 404)
        if path.endswith("/running") and method == "GET":
            times = sum(path.endswith("/running") for _, path, _ in self.asked)
            status = {"scan": "001a", "done": 100, "what": "ports", "notes": ["no mDNS here"]}
            return status if times < 3 else {"scan": "", "done": 0, "what": "", "notes": []}
        return SHAPE if path.endswith("/001a") else {"scan": "001a"}

    def listed(self, path: str, limit: int, **wanted: object) -> Iterator[dict[str, Any]]:
        self.asked.append((path, str(limit), wanted))
        yield {"scan": "001a", "host": "192.168.1.5"}


def test_a_scan_is_asked_for_followed_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remotescans, "POLL_SECONDS", 0.0)
    client: Any = FakeClient()
    with StepsBar("scanning") as bar:
        shape, diffs = remotescans.make(client, ScanOptions(("192.168.1.0/24",)), bar)
    assert (shape, [each["host"] for each in diffs]) == (SHAPE, ["192.168.1.5"])
    assert client.asked[0][2]["targets"] == ["192.168.1.0/24"]
    assert "no mDNS here" in capsys.readouterr().err
    assert remotescans.stop(client) == "001a"
    assert client.asked[-1][:2] == ("DELETE", "/api/v1/scans/running")


def test_a_scan_that_is_not_there_is_told() -> None:
    client: Any = FakeClient()
    with pytest.raises(StateError, match="no scan 'gone'"):
        remotescans.show(client, "gone")
