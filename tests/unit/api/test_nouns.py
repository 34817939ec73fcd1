"""What each noun answers, over a store with a little of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.access.roles import Role
from phage.intel.catalog import Catalog, Source
from phage.intel.networks import parse_networks
from phage.records.device import Device, Seen
from phage.records.exporter import Exporter
from phage.records.feedstate import FeedState
from phage.records.indicator import Indicator, IndicatorKind
from phage.testing.apilab import PASSWORD, FakeDaemon
from phage.testing.desks import FakeFeedsDesk
from phage.testing.records import EPOCH, make_decision, make_finding, make_flow

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab


def test_exporters_are_listed_with_what_others_told_before(lab: ApiLab) -> None:
    lab.store.exporters.save(
        [
            Exporter("192.0.2.1", 7, 10, "edge", EPOCH, EPOCH, drift=10**9, duplicates=3),
            Exporter("192.0.2.2", 0, 5, "", EPOCH, EPOCH + 1, records=9),
        ]
    )
    heard, edge = lab.client("viewer").get("/api/v1/exporters").json()
    assert (heard["address"], heard["format"], heard["records"]) == ("192.0.2.2", "NetFlow 5", 9)
    assert (edge["name"], edge["duplicates"], edge["clock_behind_seconds"]) == ("edge", 3, 1.0)
    few = lab.client("viewer").get("/api/v1/exporters", params={"limit": 1}).json()
    assert few == [heard]


def test_status_has_the_names_of_phantomfirewall(lab: ApiLab) -> None:
    lab.clock.nanoseconds += 5 * 10**9
    status = lab.client("viewer").get("/api/v1/status").json()
    for name in ("status", "uptime", "rules_active", "packets_processed", "threats_blocked"):
        assert name in status
    assert status["status"] == "running"
    assert status["health"] == {"status": "ok"}


def test_where_nothing_decides_that_is_told(lab: ApiLab) -> None:
    answer = lab.having(steer=None).client().get("/api/v1/status")
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/not-running")


def test_the_panic_switch_is_pulled_and_noted(lab: ApiLab) -> None:
    answer = lab.client("operator").put("/api/v1/panic", json={"on": True})
    assert answer.json() == {"panic": True, "done": True}
    noted = lab.access.audit.list(limit=1)[0]
    assert (noted.act, noted.subject) == ("PUT panic", "/api/v1/panic")


def test_flows_of_a_host_are_found_on_either_side(lab: ApiLab) -> None:
    lab.store.flows.save(
        make_flow(number, **({"src": "10.0.0.9"} if number % 3 else {"dst": "10.0.0.9"}))
        for number in range(1, 31)
    )
    lab.store.flows.save([make_flow(99, src="10.0.0.8")])
    client, seen, cursor = lab.client(), [], ""
    while True:
        query: dict[str, str | int] = {"host": "10.0.0.9", "limit": 7, "cursor": cursor}
        page = client.get("/api/v1/flows", params=query).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == list(range(30, 0, -1))
    assert client.get("/api/v1/flows", params={"protocol": "nothing"}).status_code == 422
    since = {"since": "not a time"}
    assert client.get("/api/v1/flows", params=since).json()["errors"][0]["where"] == "query.since"


def test_decisions_are_listed_made_and_taken_back(lab: ApiLab) -> None:
    daemon = FakeDaemon()
    lab = lab.having(steer=daemon)
    lab.store.decisions.save(make_decision(number) for number in range(12))
    client = lab.client("operator")
    first = client.get("/api/v1/decisions", params={"limit": 5}).json()
    second = client.get("/api/v1/decisions", params={"limit": 5, "cursor": first["next"]}).json()
    ids = [each["id"] for each in first["items"] + second["items"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 10
    made = client.post("/api/v1/decisions", json={"target": "203.0.113.7", "seconds": 60})
    assert made.status_code == 201
    verb, actor, values = daemon.asked[-1]
    assert (verb, actor, values["target"]) == ("decisions.add", "user:operator", "203.0.113.7")
    assert client.delete(f"/api/v1/decisions/{ids[0]}").status_code == 200
    assert daemon.asked[-1][0] == "decisions.revoke"
    assert client.get(f"/api/v1/decisions/{ids[0]}").json()["target"].startswith("203.0.")
    assert client.get("/api/v1/decisions/ZZZZZZZZ").status_code == 404


def test_devices_come_in_pages_and_by_any_of_their_names(lab: ApiLab) -> None:
    lab.store.devices.save(
        Device(
            id=f"02:00:00:00:00:{number:02x}",
            macs=(Seen(f"02:00:00:00:00:{number:02x}", EPOCH, EPOCH),),
            addresses=(Seen(f"192.168.1.{number}", EPOCH, EPOCH),),
            first_seen=EPOCH,
            last_seen=EPOCH + number // 2,
            present=True,
        )
        for number in range(1, 11)
    )
    client = lab.client("viewer")
    first = client.get("/api/v1/devices", params={"limit": 6}).json()
    second = client.get("/api/v1/devices", params={"limit": 6, "cursor": first["next"]}).json()
    assert len({each["id"] for each in first["items"] + second["items"]}) == 10
    assert second["next"] == ""
    for name in ("192.168.1.3", "02:00:00:00:00:03"):
        assert client.get(f"/api/v1/devices/{name}").json()["ip"] == "192.168.1.3"
    assert client.get("/api/v1/devices/nobody").status_code == 404
    assert client.get("/api/v1/networks").json() == [
        {"network": "192.168.0.0/16", "devices": 10, "present": 10}
    ]


def test_users_are_added_changed_and_removed_but_for_the_last_admin(lab: ApiLab) -> None:
    client = lab.client()
    added = client.post("/api/v1/users", json={"name": "Ada", "role": "viewer"}).json()
    assert added["user"]["has_password"] is False
    assert added["link"]
    assert client.post("/api/v1/users", json={"name": "ada", "role": "admin"}).status_code == 409
    role = client.put("/api/v1/users/ada/role", json={"role": "operator"})
    assert role.json()["role"] == "operator"
    assert client.delete("/api/v1/users/ada").status_code == 204
    assert client.get("/api/v1/users/ada").status_code == 404
    assert client.delete("/api/v1/users/admin").status_code == 422
    assert client.put("/api/v1/users/admin/role", json={"role": "viewer"}).status_code == 422


def test_a_token_may_no_more_than_its_owner_and_ends_at_once(lab: ApiLab) -> None:
    viewer = lab.browser("viewer")
    body = {"name": "mine", "scopes": ["decisions:write"]}
    assert viewer.post("/api/v1/tokens", json=body).status_code == 422
    made = viewer.post("/api/v1/tokens", json=body | {"scopes": ["*"], "seconds": 60}).json()
    client = lab.nobody()
    client.headers["Authorization"] = f"Bearer {made['secret']}"
    assert client.get("/api/v1/findings").status_code == 200
    assert client.post("/api/v1/decisions", json={"target": "10.9.9.9"}).status_code == 403
    assert client.post("/api/v1/tokens", json=body).status_code == 403
    identity = made["token"]["id"]
    assert lab.client("operator").delete(f"/api/v1/tokens/{identity}").status_code == 404
    assert made["secret"] not in viewer.get("/api/v1/tokens").text
    lab.clock.nanoseconds += 61 * 10**9
    assert client.get("/api/v1/findings").status_code == 401
    other = viewer.post("/api/v1/tokens", json=body | {"scopes": ["*:read"]}).json()
    client.headers["Authorization"] = f"Bearer {other['secret']}"
    assert client.get("/api/v1/findings").status_code == 200
    assert lab.client().delete(f"/api/v1/tokens/{other['token']['id']}").status_code == 204
    assert client.get("/api/v1/findings").status_code == 401


def test_a_removed_user_takes_sessions_and_tokens_along(lab: ApiLab) -> None:
    lab.access.users.add("gone", Role.VIEWER, PASSWORD)
    client, browser = lab.client("gone"), lab.browser("gone")
    assert client.get("/api/v1/findings").status_code == 200
    assert lab.client().delete("/api/v1/users/gone").status_code == 204
    assert client.get("/api/v1/findings").status_code == 401
    assert browser.get("/api/v1/findings").status_code == 401


def test_the_audit_log_is_listed_and_checked(lab: ApiLab) -> None:
    client = lab.client()
    for name in ("one", "two", "three"):
        client.post("/api/v1/users", json={"name": name, "role": "viewer"})
    page = client.get("/api/v1/audit", params={"limit": 2}).json()
    rest = client.get("/api/v1/audit", params={"limit": 2, "cursor": page["next"]}).json()
    assert [each["number"] for each in page["items"] + rest["items"]] == [2, 1, 0]
    assert client.get("/api/v1/audit/verify").json()["whole"] is True
    lab.store.database.execute("UPDATE audit SET actor = 'user:other' WHERE number = 1")
    found = client.get("/api/v1/audit/verify").json()
    assert (found["whole"], found["number"], found["fault"]) == (False, 1, "was altered")


def test_feeds_indicators_and_threats(lab: ApiLab) -> None:
    networks = parse_networks(["198.51.100.0/24", "203.0.113.9/32"])
    catalog = Catalog(sources=(Source("drop", networks, updated=EPOCH),))
    lab = lab.having(catalog=lambda: catalog)
    lab.store.indicators.save_state(FeedState("drop", updated=EPOCH, entries=2))
    lab.store.indicators.save(
        Indicator(IndicatorKind.DOMAIN, f"d{number}.example", "list") for number in range(5)
    )
    client = lab.client("operator")
    assert client.get("/api/v1/feeds").json()[0]["entries"] == 2
    threats = client.get("/api/v1/threats").json()
    assert {text.partition("/")[0] for text in threats["malicious_ips"]} == {
        "198.51.100.0",
        "203.0.113.9",
    }
    assert threats["total"] == 2
    assert threats["last_update"]
    assert client.post("/api/v1/threats/ip", json={"ip": "45.33.10.77"}).status_code == 201
    for wrong, status in (("192.168.1.1", 409), ("0.0.0.0/0", 409), ("no address", 422)):
        assert client.post("/api/v1/threats/ip", json={"ip": wrong}).status_code == status
    first = client.get("/api/v1/indicators", params={"limit": 4}).json()
    rest = client.get("/api/v1/indicators", params={"limit": 4, "cursor": first["next"]}).json()
    assert len(first["items"] + rest["items"]) == 6


def test_metrics_as_json(lab: ApiLab) -> None:
    lab.services.registry.counter("phage_x_total", "X.", ("kind",)).add(3, "a")
    found = lab.client("viewer").get("/api/v1/metrics").json()
    assert found[0]["samples"] == [{"labels": {"kind": "a"}, "value": 3}]


@pytest.mark.parametrize("path", ["findings", "flows", "decisions", "devices", "indicators"])
def test_an_empty_list_is_an_empty_page(lab: ApiLab, path: str) -> None:
    assert lab.client().get(f"/api/v1/{path}").json() == {"items": [], "next": ""}


def test_a_store_that_fails_is_a_problem(lab: ApiLab) -> None:
    from phage.errors import StoreError

    def broken() -> object:
        message = "store.sqlite3: cannot be read"
        raise StoreError(message)

    found = lab.having(reading=broken).client().get("/api/v1/findings")
    assert found.status_code == 503
    assert found.json()["type"].endswith("/store")


def test_feeds_are_added_switched_got_and_tried(lab: ApiLab) -> None:
    client = lab.client("operator")
    body = {"name": "mine", "type": "netset", "settings": {"url": "https://example.org/l"}}
    assert client.post("/api/v1/feeds", json=body).status_code == 201
    assert client.post("/api/v1/feeds", json=body).status_code == 409
    assert client.post("/api/v1/feeds", json={**body, "name": "../x"}).status_code == 422
    assert client.patch("/api/v1/feeds/mine", json={"enabled": False}).status_code == 200
    rows = {row["name"]: row for row in client.get("/api/v1/feeds").json()}
    assert (rows["mine"]["enabled"], rows["drop"]["enabled"]) == (False, True)
    assert client.post("/api/v1/feeds/drop/update").status_code == 202
    trial = client.post("/api/v1/feeds/drop/test").json()
    assert (trial["done"], trial["entries"]) == (True, 3)
    assert client.post("/api/v1/feeds/nosuch/update").status_code == 409
    assert [each["name"] for each in client.get("/api/v1/feeds/kinds").json()] == [
        "netset",
        "spamhaus",
        "threatfox",
    ]


def test_the_key_of_a_feed_is_told_to_nobody(lab: ApiLab) -> None:
    body = {"name": "fox", "type": "threatfox", "key": "s3cret"}
    added = lab.client("operator").post("/api/v1/feeds", json=body)
    assert added.status_code == 201
    assert "key" not in added.json()
    feeds = lab.services.feeds
    assert isinstance(feeds, FakeFeedsDesk)
    assert feeds.asked == [("key", "fox")]
    refused = lab.client("operator").post("/api/v1/feeds", json={**body, "key": "s3cret\nmore"})
    assert refused.status_code == 422
    assert "s3cret" not in refused.text


def test_findings_are_counted_by_the_feeds_that_they_name(lab: ApiLab) -> None:
    lab.store.findings.save(
        [
            make_finding(number, detector="intelmatch", evidence={"feeds": ["drop"]})
            for number in range(3)
        ]
    )
    (row,) = lab.client("viewer").get("/api/v1/feeds").json()
    assert (row["name"], row["hits"]) == ("drop", 3)
