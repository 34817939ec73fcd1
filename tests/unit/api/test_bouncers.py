"""CrowdSec's local API: what bouncers are told, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.api.bouncers import BouncerFeed
from phage.policy.target import parse_target
from phage.records.decision import Action, Direction
from phage.testing.records import EPOCH, make_decision

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from phage.records.decision import Decision
    from phage.testing.apilab import ApiLab

HOUR = 3600 * 10**9
STREAM = "/v1/decisions/stream"


def ban(target: str, number: int = 0, **values: Any) -> Decision:
    fields: dict[str, Any] = {"target": parse_target(target), "start": EPOCH, "until": EPOCH + HOUR}
    return make_decision(number, **(fields | values))


@pytest.fixture
def standing() -> list[Decision]:
    return []


@pytest.fixture
def client(lab: ApiLab, standing: list[Decision]) -> TestClient:
    """Return a bouncer: it shows X-Api-Key and may nothing else."""
    lab = lab.having(bouncers=BouncerFeed(lambda: standing))
    _, secret = lab.access.tokens.create("admin", "bouncer", ["bouncer:read"])
    bouncer = lab.nobody()
    bouncer.headers["X-Api-Key"] = secret
    return bouncer


def values(found: list[dict[str, Any]] | None) -> set[str]:
    return {each["value"] for each in found or ()}


def test_all_at_the_start_and_then_what_changes(
    client: TestClient, standing: list[Decision]
) -> None:
    standing += [ban("203.0.113.7"), ban("198.51.100.0/24", 1), ban("2001:db8::/64", 2)]
    first = client.get(STREAM, params={"startup": "true"}).json()
    assert values(first["new"]) == {"203.0.113.7", "198.51.100.0/24", "2001:db8::/64"}
    assert first["deleted"] is None
    assert {each["scope"] for each in first["new"]} == {"Ip", "Range"}
    assert first["new"][0]["duration"] == "1h0m0.000s"
    assert client.get(STREAM).json() == {"new": None, "deleted": None}
    standing[0] = replace(standing[0], until=EPOCH + 2 * HOUR)  # It was extended.
    del standing[1]
    standing.append(ban("203.0.113.8", 3))
    changed = client.get(STREAM).json()
    assert values(changed["new"]) == {"203.0.113.7", "203.0.113.8"}
    assert values(changed["deleted"]) == {"198.51.100.0/24"}
    assert changed["deleted"][0]["duration"].startswith("-")
    standing.clear()  # As panic does.
    assert len(client.get(STREAM).json()["deleted"]) == 3


def test_what_is_not_for_bouncers_is_left_out(client: TestClient, standing: list[Decision]) -> None:
    standing += [
        ban("203.0.113.1", 1, dry_run=True),
        ban("203.0.113.2", 2, direction=Direction.TO),
        ban("02:00:00:00:00:01", 3),
        ban("evil.example", 4),
        ban("203.0.113.3", 5, action=Action.QUARANTINE),
        ban("203.0.113.4", 6, responders=("nftables",)),
        ban("203.0.113.5", 7, until=EPOCH),
        ban("203.0.113.6", 8, responders=("bouncers",), until=0),
    ]
    found = client.get(STREAM, params={"startup": True}).json()["new"]
    assert values(found) == {"203.0.113.6"}
    assert found[0]["duration"] == "8760h0m0.000s"


def test_of_several_against_one_address_the_longest_is_told(
    client: TestClient, standing: list[Decision]
) -> None:
    standing += [
        ban("203.0.113.7", 1),
        ban("203.0.113.7", 2, until=EPOCH + 3 * HOUR),
        ban("203.0.113.7", 3, until=EPOCH + 2 * HOUR),
    ]
    (only,) = client.get(STREAM, params={"startup": True}).json()["new"]
    assert only["duration"] == "3h0m0.000s"
    standing.append(ban("203.0.113.7", 4, until=0))
    (only,) = client.get(STREAM).json()["new"]
    assert only["duration"].startswith("8760h")


def test_bouncers_choose_by_scope_origin_and_scenario(
    client: TestClient, standing: list[Decision]
) -> None:
    standing += [ban("203.0.113.7", 1, rule="Scanners"), ban("198.51.100.0/24", 2, rule="Floods")]

    def told(**query: str) -> set[str]:
        return values(client.get(STREAM, params={"startup": "true", **query}).json()["new"])

    assert told(scopes="ip") == {"203.0.113.7"}
    assert told(scopes="ip,range") == {"203.0.113.7", "198.51.100.0/24"}
    assert told(origins="CAPI") == set()
    assert told(origins="phage") == {"203.0.113.7", "198.51.100.0/24"}
    assert told(scenarios_containing="flood") == {"198.51.100.0/24"}
    assert told(scenarios_not_containing="flood") == {"203.0.113.7"}


def test_one_address_is_asked_about(client: TestClient, standing: list[Decision]) -> None:
    standing += [ban("198.51.100.0/24", 1), ban("203.0.113.7", 2)]

    def asked(**query: str) -> Any:
        return client.get("/v1/decisions", params=query).json()

    assert values(asked(ip="198.51.100.77")) == {"198.51.100.0/24"}
    assert asked(ip="192.0.2.1") is None
    assert values(asked(range="203.0.0.0/8")) == {"203.0.113.7"}
    assert values(asked(value="203.0.113.7")) == {"203.0.113.7"}
    assert values(asked(scope="range")) == {"198.51.100.0/24"}
    assert client.get("/v1/decisions", params={"ip": "nothing"}).status_code == 422


def test_a_key_that_is_wrong_is_told_in_crowdsecs_words(client: TestClient, lab: ApiLab) -> None:
    client.headers["X-Api-Key"] = "wrong"
    answer = client.get(STREAM)
    assert (answer.status_code, set(answer.json())) == (403, {"message"})
    assert lab.nobody().head("/v1/decisions").status_code == 403


def test_a_bouncer_may_nothing_else(client: TestClient) -> None:
    assert client.head("/v1/decisions").status_code == 200
    assert client.get("/api/v1/findings").status_code == 403


def test_usage_is_counted(client: TestClient, lab: ApiLab) -> None:
    item = {"name": "dropped", "value": 12, "unit": "packet", "labels": {"origin": "phage"}}
    body = {"remediation_components": [{"type": "fw", "metrics": [{"items": [item, 7, {}]}]}]}
    assert client.post("/v1/usage-metrics", json=body).status_code == 201
    assert 'item="dropped"} 12' in lab.services.registry.exposition()
    assert not lab.access.audit.list()


def test_two_bouncers_are_told_each_by_itself(lab: ApiLab) -> None:
    standing = [ban("203.0.113.7")]
    feed = BouncerFeed(lambda: standing, lambda: [ban("192.0.2.9", 9)])
    new, gone = feed.pull("one", EPOCH, startup=False)
    assert ([each.value for each in new], [each.value for each in gone]) == (
        ["203.0.113.7"],
        ["192.0.2.9"],
    )
    assert feed.pull("one", EPOCH, startup=False) == ([], [])
    assert len(feed.pull("two", EPOCH, startup=False)[0]) == 1
