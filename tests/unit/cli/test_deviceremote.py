"""`phage devices --url`: what a phage elsewhere is asked for each change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from phage.cli.deviceremote import RemoteDevices, UnknownDeviceError
from phage.devices.proposal import find
from phage.devices.table import DeviceError
from phage.records.device import Device
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.client.client import Client

MAC, OTHER = "00:17:88:00:00:01", "02:00:00:00:00:02"
ROWS = (
    {"id": MAC, "mac": MAC, "ip": "192.168.1.5", "name": "Hall camera", "labels": ["cloud"]},
    {"id": OTHER, "mac": OTHER, "ip": "192.168.1.6", "name": "Plug", "labels": []},
    {"id": "02:00:00:00:00:03", "mac": "02:00:00:00:00:03", "ip": "", "name": "Plug", "labels": []},
)
PLACE = "/api/v1/devices/00%3A17%3A88%3A00%3A00%3A01"


class FakeClient:
    """Answers as the API does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []

    def devices(self, limit: int, *, text: str) -> Iterator[dict[str, Any]]:
        words = text.lower()
        found = [row for row in ROWS if any(words in str(value).lower() for value in row.values())]
        yield from found[:limit]

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        self.asked.append((method, path, body))
        return {"device": MAC, "labels": ["cloud", "old"]}


@pytest.mark.parametrize(
    ("act", "values", "removed", "asked"),
    [
        ("rename", ["Cam"], (), ("PATCH", PLACE, {"name": "Cam"})),
        ("label", ["new"], ["old"], ("PATCH", PLACE, {"labels": ["cloud", "new"]})),
        ("tell", ["vendor=A=B"], (), ("PATCH", PLACE, {"vendor": "A=B"})),
        ("merge", ["192.168.1.6"], (), ("POST", f"{PLACE}/merge", {"others": [OTHER]})),
        ("split", [OTHER], (), ("POST", f"{PLACE}/split", {"mac": OTHER})),
        ("allow", ["out 6 443 internet"], (),
         ("POST", f"{PLACE}/allow", {"keys": ["out 6 443 internet"]})),
        ("forget", [], (), ("DELETE", PLACE, None)),
    ],
)  # fmt: skip
def test_a_change_is_what_the_api_has_for_it(
    act: str, values: list[str], removed: list[str], asked: tuple[str, str, object]
) -> None:
    client = FakeClient()
    there = RemoteDevices(cast("Client", client))
    assert there.edit(act, "hall CAMERA", values, removed) == MAC
    assert client.asked[-1] == asked


def test_fences_and_questions_go_to_their_places() -> None:
    client = FakeClient()
    there = RemoteDevices(cast("Client", client))
    there.act("Hall camera", "enforce", grade="limit", force=False)
    there.read("192.168.1.5", "proposal", grade="block", days=3)
    assert client.asked == [
        ("POST", f"{PLACE}/enforce", {"grade": "limit", "force": False}),
        ("GET", f"{PLACE}/proposal?grade=block&days=3", None),
    ]


def test_a_device_that_is_not_there_or_not_one_is_said_so() -> None:
    there = RemoteDevices(cast("Client", FakeClient()))
    with pytest.raises(UnknownDeviceError, match="several devices are 'Plug'"):
        there.find("Plug")
    with pytest.raises(UnknownDeviceError, match="no device is 'cellar'"):
        there.find("cellar")
    assert there.find("192.168.1.77") == "192.168.1.77"
    assert there.find(" 00-17-88-00-00-01 ") == MAC


@pytest.mark.parametrize("name", ["", " "])
def test_nobody_is_meant_by_no_name(name: str) -> None:
    with pytest.raises(UnknownDeviceError, match="say which device"):
        RemoteDevices(cast("Client", FakeClient())).find(name)
    with pytest.raises(DeviceError, match="say which device"):
        find([Device("02:00:00:00:00:03", first_seen=EPOCH, last_seen=EPOCH)], name)
