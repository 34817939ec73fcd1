"""Devices in the API: what they are, what people say of them, their profiles and fences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records import Subject
from phage.records.device import Attribute, Device, DeviceEvent, Guess, Seen
from phage.records.profile import KeyUse, Phase, Profile, ProfileKey, Way
from phage.testing.apilab import FakeDaemon
from phage.testing.records import EPOCH, make_finding, make_flow

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

CAMERA = "02:00:00:00:00:01"


def camera(lab: ApiLab) -> None:
    """Store a camera of which all is known, and another device."""
    guess = Guess("camera", 0.9, ("mdns: _rtsp",), (("doorbell", 0.1),))
    lab.store.devices.save(
        [
            Device(
                CAMERA,
                labels=("old",),
                macs=(Seen(CAMERA, EPOCH, EPOCH), Seen("02:00:00:00:00:02", EPOCH, EPOCH)),
                addresses=(Seen("192.168.1.5", EPOCH, EPOCH),),
                guesses={Attribute.CATEGORY: guess, Attribute.VENDOR: Guess("Acme", 0.9)},
                present=True,
            ),
            Device("02:00:00:00:00:09", guesses={Attribute.VENDOR: Guess("Acme", 0.9)}),
        ]
    )
    key = ProfileKey(Way.OUT, 6, 443, "name:maker.com")
    use = KeyUse(EPOCH, EPOCH, 7, 100)
    lab.store.profiles.save(
        [
            Profile(
                CAMERA, EPOCH, EPOCH, Phase.PROPOSE, {key: use}, names={"203.0.113.1": "maker.com"}
            )
        ]
    )
    flow = make_flow(7, src_mac=CAMERA, start=EPOCH, last=EPOCH, dst="203.0.113.9", dst_port=23)
    lab.store.flows.save([flow])


def test_a_device_says_why_it_is_held_to_be_what_it_is(lab: ApiLab) -> None:
    camera(lab)
    shown = lab.client("viewer").get("/api/v1/devices/192.168.1.5").json()
    assert shown["guesses"]["category"]["why"] == ["mdns: _rtsp"]
    assert shown["guesses"]["category"]["rivals"] == [{"value": "doorbell", "confidence": 0.1}]
    assert [each["value"] for each in shown["seen"]["macs"]] == [CAMERA, "02:00:00:00:00:02"]


def test_people_say_what_devices_are(lab: ApiLab) -> None:
    camera(lab)
    daemon = FakeDaemon()
    client = lab.having(steer=daemon).client("operator")
    place = f"/api/v1/devices/{CAMERA}"
    said = {"name": "Hall", "labels": ["new"], "category": "doorbell"}
    assert client.patch(place, json=said).json() == {"device": CAMERA}
    assert client.post(f"{place}/merge", json={"others": ["x"]}).status_code == 200
    assert client.post(f"{place}/split", json={"mac": CAMERA}).status_code == 200
    assert client.delete(place).status_code == 200
    acts = {str(values["act"]): values for _, _, values in daemon.asked}
    assert list(acts) == ["rename", "label", "tell", "merge", "split", "forget"]
    assert (acts["label"]["values"], acts["label"]["removed"]) == (("new",), ("old",))
    assert acts["tell"]["values"] == ("category=doorbell",)
    assert client.patch(place, json={"nonsense": 1}).status_code == 422
    assert client.patch("/api/v1/devices/nobody", json=said).status_code == 404


def test_a_device_is_fenced_in_and_freed(lab: ApiLab) -> None:
    camera(lab)
    daemon = FakeDaemon()
    client = lab.having(steer=daemon).client("operator")
    place = f"/api/v1/devices/{CAMERA}"
    assert client.get(f"{place}/profile").json()["keys"][0]["peer"] == "name:maker.com"
    assert client.get("/api/v1/devices/02:00:00:00:00:09/profile").status_code == 404
    proposed = client.get(f"{place}/proposal").json()
    assert proposed["objection"] == ""
    assert [each["address"] for each in proposed["would_have_blocked"]] == ["203.0.113.9"]
    body = {"grade": "limit", "rules": proposed["rules"]}
    refused = client.post(f"{place}/enforce", json=body)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "not-accepted")
    assert "would have blocked 1 flows" in refused.json()["detail"]
    assert proposed["acceptance"] in refused.json()["detail"]
    assert client.post(f"{place}/enforce", json={**body, "accept": "else"}).status_code == 409
    assert not daemon.asked
    fenced = client.post(f"{place}/enforce", json={**body, "accept": proposed["acceptance"]})
    assert fenced.json()["enforced"]
    assert client.post(f"{place}/release").json()["there"]
    held = client.post(f"{place}/quarantine", json={"seconds": 60}).json()["decisions"]
    assert [each["decision"]["target"] for each in held] == [CAMERA, "02:00:00:00:00:02"]
    described = client.get(f"{place}/mud").text
    assert client.put(f"{place}/mud", json={"document": described}).json()["keys"] == 1
    refused = client.put(f"{place}/mud", json={"document": "{}"})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "mud")
    assert client.post(f"{place}/mud/fetch").status_code == 409
    verbs = [(verb, values.get("act")) for verb, _, values in daemon.asked]
    assert verbs[:2] == [("devices.fence", "enforce"), ("devices.fence", "release")]
    assert verbs[-1] == ("devices.edit", "allow")


def test_histories_and_manufacturers(lab: ApiLab) -> None:
    camera(lab)
    lab.store.devices.save_events(
        DeviceEvent(CAMERA, EPOCH, "address", f"192.168.1.{number}") for number in range(5)
    )
    client = lab.client("viewer")
    seen, cursor = [], ""
    while True:
        query: dict[str, str | int] = {"device": "192.168.1.5", "limit": 2, "cursor": cursor}
        page = client.get("/api/v1/histories", params=query).json()
        seen += [each["detail"] for each in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == [f"192.168.1.{number}" for number in range(5)]
    found = [
        make_finding(number, detector="deviation", subject=Subject(CAMERA, "", CAMERA))
        for number in range(3)
    ]
    lab.store.findings.save([*found, make_finding(9)])
    counted = client.get("/api/v1/alerts").json()
    assert (counted["alerts"], counted["devices"]) == (3, 2)
    assert counted["per_device_and_week"] == 1.5
    assert counted["by_device"] == [{"device": CAMERA, "name": "192.168.1.5", "alerts": 3}]
    assert client.get("/api/v1/alerts", params={"detector": "x' OR 1"}).status_code == 422
    made = client.get("/api/v1/manufacturers").json()
    assert made == [{"name": "Acme", "devices": 2, "present": 1}]
