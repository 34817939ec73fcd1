"""Sensors join by an invitation, once; what they send is taken until they are revoked."""

from __future__ import annotations

import threading
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.bus.codec import encode
from phage.collect.joined import MAX_ADVICE, JoinedCollector
from phage.intel.index import prefix_set
from phage.learn.model import packed
from phage.records import Window
from phage.records.address import parse_address
from phage.records.columns import FLOW, Event
from phage.testing.records import EPOCH, make_observation

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab

SECOND = 10**9


@pytest.fixture
def taking(lab: ApiLab) -> ApiLab:
    return lab.having(sensors=JoinedCollector(lab.clock))


def shown(lab: ApiLab, token: str) -> TestClient:
    client = lab.nobody()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def joined(lab: ApiLab, name: str = "edge") -> TestClient:
    token = lab.client().post("/api/v1/sensors", json={"name": name}).json()["token"]
    answer = shown(lab, token).post("/api/v1/sensors/join")
    assert answer.status_code == 201
    assert answer.json()["name"] == name
    return shown(lab, answer.json()["token"])


def first_of(collector: JoinedCollector) -> list[Window]:
    """Return the first window that comes out."""
    came: list[Window] = []

    def read() -> None:
        for each in collector.windows():
            came.append(each)
            collector.stop()

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(60)
    return came[:1]


def made(number: int = 0) -> Window:
    start = EPOCH + number * SECOND
    return Window(start, start + SECOND, observations=(make_observation("arp"),))


def window(number: int = 0) -> bytes:
    return encode(made(number))


def test_a_sensor_joins_sends_and_is_revoked(taking: ApiLab) -> None:
    sensor = joined(taking)
    assert sensor.post("/api/v1/sensors/windows", content=window()).json() == {"advice": []}
    (row,) = taking.client("viewer").get("/api/v1/sensors").json()
    assert (row["name"], row["state"], row["windows"]) == ("edge", "joined", 1)
    assert row["last_seen"]
    assert taking.client().delete("/api/v1/sensors/edge").status_code == 204
    assert sensor.post("/api/v1/sensors/windows", content=window()).status_code == 401
    assert taking.client("viewer").get("/api/v1/sensors").json()[0]["state"] == "revoked"
    assert taking.client().delete("/api/v1/sensors/edge").status_code == 404


def test_an_invitation_joins_once_and_does_nothing_else(taking: ApiLab) -> None:
    invite = taking.client().post("/api/v1/sensors", json={"name": "edge"}).json()
    guest = shown(taking, invite["token"])
    assert guest.post("/api/v1/sensors/windows", content=window()).status_code == 403
    assert guest.get("/api/v1/findings").status_code == 403
    assert guest.post("/api/v1/sensors/join").status_code == 201
    assert guest.post("/api/v1/sensors/join").status_code == 401
    again = taking.client().post("/api/v1/sensors", json={"name": "edge"})
    assert again.status_code == 409
    late = taking.client().post("/api/v1/sensors", json={"name": "late"}).json()["token"]
    taking.clock.nanoseconds += 3601 * SECOND
    assert shown(taking, late).post("/api/v1/sensors/join").status_code == 401


def test_a_sensor_may_nothing_but_send(taking: ApiLab) -> None:
    sensor = joined(taking)
    for path in ("/api/v1/findings", "/api/v1/config", "/api/v1/sensors", "/metrics"):
        assert sensor.get(path).status_code in {401, 403}
    assert sensor.post("/api/v1/sensors", json={"name": "x"}).status_code == 403
    assert sensor.post("/api/v1/sensors/join").status_code == 403
    assert taking.browser().post("/api/v1/sensors/join").status_code == 403
    assert taking.client("operator").post("/api/v1/sensors", json={"name": "y"}).status_code == 403


@pytest.mark.parametrize("octets", [b"", b"pb1", b"x" * 1000, encode(("no", "window"))])
def test_what_is_no_window_is_refused_and_counted(taking: ApiLab, octets: bytes) -> None:
    sensor = joined(taking)
    assert sensor.post("/api/v1/sensors/windows", content=octets).status_code == 422
    assert taking.client().get("/api/v1/sensors").json()[0]["refused"] == 1


def test_a_window_may_be_larger_than_other_bodies(taking: ApiLab) -> None:
    sensor = joined(taking)
    many = replace(made(), observations=made().observations * 10_000)
    body = encode(many)
    assert len(body) > 2**20
    assert sensor.post("/api/v1/sensors/windows", content=body).status_code == 200


def test_windows_come_out_and_advice_goes_back(taking: ApiLab) -> None:
    collector = taking.services.sensors
    assert collector is not None
    sensor = joined(taking)
    sensor.post("/api/v1/sensors/windows", content=window())
    came = first_of(collector)
    assert came[0].observations[0].kind == "arp"
    for number in range(MAX_ADVICE + 5):
        collector.distrust(5, parse_address("192.168.1.5"), number, number + 1)
    answer = sensor.post("/api/v1/sensors/windows", content=window(1)).json()
    assert len(answer["advice"]) == MAX_ADVICE
    assert answer["advice"][-1]["verb"] == "distrust"
    assert bytes.fromhex(answer["advice"][-1]["address"]) == parse_address("192.168.1.5")
    assert sensor.post("/api/v1/sensors/windows", content=window(2)).json() == {"advice": []}


def test_a_window_that_is_sent_again_counts_once_and_its_answer_is_not_lost(
    taking: ApiLab,
) -> None:
    collector = taking.services.sensors
    assert collector is not None
    sensor = joined(taking)
    sensor.post("/api/v1/sensors/windows", content=window())
    collector.distrust(5, parse_address("192.168.1.5"), 1, 2)
    first, again = (
        sensor.post("/api/v1/sensors/windows", content=window(1)).json() for _ in range(2)
    )
    assert first == again
    assert len(again["advice"]) == 1
    assert sensor.post("/api/v1/sensors/windows", content=window(2)).json() == {"advice": []}
    counters = collector.counters()
    assert (counters["sensors.windows"], counters["sensors.repeated"]) == (3, 1)


def test_more_than_the_most_are_dropped_and_counted(taking: ApiLab) -> None:
    collector = JoinedCollector(taking.clock)
    for number in range(300):
        collector.take("edge", window(number))
    assert collector.counters()["sensors.dropped"] == 300 - 256
    assert "dropped" in collector.faults()[0]


def test_large_windows_do_not_fill_the_memory(
    taking: ApiLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phage.collect.joined.WAITING_OCTETS", 3 * len(window()) + 1)
    collector = JoinedCollector(taking.clock)
    for number in range(5):
        collector.take("edge", window(number))
    assert collector.counters()["sensors.dropped"] == 2
    assert len(first_of(collector)) == 1
    collector.take("edge", window(5))
    assert collector.counters()["sensors.dropped"] == 2


def test_a_sensor_gets_its_model_back_and_no_other(taking: ApiLab) -> None:
    edge, core = joined(taking), joined(taking, "core")
    where = "/api/v1/sensors/models?name=ensemble-eth0-0"
    assert edge.get(where).status_code == 204
    state = packed(b"weights" * 300_000, 1)
    assert len(state) > 2**20
    assert edge.post(where, content=state).status_code == 204
    assert edge.get(where).content.endswith(b"weights" * 300_000)
    assert core.get(where).status_code == 204
    assert edge.post(where, content=state[:-1]).status_code == 422
    assert edge.post("/api/v1/sensors/models?name=../x", content=state).status_code == 422
    assert edge.get("/api/v1/sensors/models?name=../x").status_code == 422
    # A person's token gets none; who joins under the name of one that was revoked does.
    assert taking.client().get(where).status_code == 403
    assert taking.client().post(where, content=state).status_code == 403
    assert taking.client().delete("/api/v1/sensors/edge").status_code == 204
    assert edge.get(where).status_code == 401
    assert joined(taking).get(where).status_code == 200


def test_flows_of_sensors_are_looked_up_in_feeds(taking: ApiLab) -> None:
    collector = taking.services.sensors
    assert collector is not None
    collector.match(prefix_set([(ip_network("45.1.1.0/24"), 7)]))
    flows = np.zeros(3, FLOW)
    flows["src"] = np.frombuffer(parse_address("192.168.1.5"), "V16")
    for number, address in enumerate(("45.1.1.9", "45.2.1.9", "45.1.1.10")):
        flows["dst"][number] = np.frombuffer(parse_address(address), "V16")[0]
    flows["event"] = [Event.STARTED, Event.STARTED, Event.ENDED]
    flows["dst_port"], flows["protocol"], flows["start"] = 443, 6, EPOCH
    collector.take("edge", encode(Window(EPOCH, EPOCH + SECOND, flows=flows)))
    (came,) = first_of(collector)
    (row,) = came.matches
    assert (row["value"], row["end"], row["dst_port"]) == (7, 1, 443)
    assert row["dst"].tobytes() == parse_address("45.1.1.9")
