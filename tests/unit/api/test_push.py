"""Browsers are subscribed by who logged in, listed without secrets, told a test, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.daemon.pushdesk import LocalPushDesk
from phage.notify.notice import Notice
from phage.notify.webpush import Pusher, new_key, packed
from phage.records import Severity
from phage.store.repositories.browsers import MAX_OF_USER
from phage.store.store import StoreLocation
from phage.testing.desks import FakePushDesk
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from starlette.testclient import TestClient

    from phage.testing.apilab import ApiLab

PUSH = "/api/v1/push"


def subscription(number: int = 0) -> dict[str, Any]:
    keys = {"p256dh": Pusher(new_key()).public_key, "auth": packed(bytes(16))}
    return {"endpoint": f"https://push.example/{number}", "keys": keys, "expirationTime": None}


def asked(lab: ApiLab, role: str = "viewer") -> TestClient:
    return lab.having(push=FakePushDesk()).browser(role)


def test_a_browser_is_subscribed_listed_and_forgotten(lab: ApiLab) -> None:
    browser = asked(lab)
    made = browser.post(PUSH, json=subscription())
    assert made.status_code == 201
    row = made.json()
    assert row["service"] == "push.example"
    answer = browser.get(PUSH).json()
    assert answer == {"key": "BKey", "browsers": [row]}
    assert "secret" not in str(answer)
    assert "/0" not in str(answer)
    assert browser.delete(f"{PUSH}/{row['id']}").status_code == 204
    assert browser.get(PUSH).json()["browsers"] == []
    acts = [each.act for each in lab.access.audit.list()]
    assert acts.count("POST subscribe") == acts.count("DELETE remove") == 1


def test_it_is_of_who_subscribed_it(lab: ApiLab) -> None:
    row = asked(lab).post(PUSH, json=subscription()).json()
    other = asked(lab, "admin")
    assert other.get(PUSH).json()["browsers"] == []
    assert other.delete(f"{PUSH}/{row['id']}").status_code == 404
    assert len(lab.store.browsers.list("viewer")) == 1


def test_a_browser_that_another_logs_in_with_is_his(lab: ApiLab) -> None:
    body = subscription()
    assert asked(lab).post(PUSH, json=body).json()["id"]
    assert asked(lab, "admin").post(PUSH, json=body).status_code == 201
    assert [each.username for each in lab.store.browsers.list()] == ["admin"]


def test_of_one_user_there_are_a_few(lab: ApiLab) -> None:
    browser = asked(lab)
    for number in range(MAX_OF_USER + 2):
        lab.clock.nanoseconds += 10**9
        assert browser.post(PUSH, json=subscription(number)).status_code == 201
    kept = {each.endpoint for each in lab.store.browsers.list()}
    assert kept == {f"https://push.example/{number}" for number in range(2, MAX_OF_USER + 2)}


def test_what_is_no_subscription_is_refused(lab: ApiLab) -> None:
    browser = asked(lab)
    good = subscription()
    for bad in (
        good | {"endpoint": "http://push.example/"},
        good | {"endpoint": "https://user@push.example/"},
        good | {"keys": good["keys"] | {"p256dh": "AAAA"}},
        good | {"keys": good["keys"] | {"auth": "AAAA"}},
    ):
        assert browser.post(PUSH, json=bad).status_code == 422
    assert lab.store.browsers.list() == []


def test_no_program_subscribes(lab: ApiLab) -> None:
    client = lab.having(push=FakePushDesk()).client()
    assert client.post(PUSH, json=subscription()).status_code == 403


def test_a_test_is_sent_to_ones_own(lab: ApiLab) -> None:
    browser = asked(lab)
    assert browser.post(f"{PUSH}/test").json() == {"told": 1}
    refused = browser.post(f"{PUSH}/test")
    assert (refused.status_code, "subscribed" in refused.json()["detail"]) == (409, True)


def test_where_there_is_none_it_is_said(lab: ApiLab) -> None:
    assert lab.having(push=None).browser().get(PUSH).status_code == 503


def test_who_ends_all_sessions_is_told_nowhere(lab: ApiLab) -> None:
    asked(lab).post(PUSH, json=subscription())
    lab.access.sessions.end_all("viewer")
    assert lab.store.browsers.list() == []


def test_who_is_removed_is_told_nowhere(lab: ApiLab) -> None:
    asked(lab).post(PUSH, json=subscription())
    lab.access.users.remove("viewer")
    assert lab.store.browsers.list() == []


def test_the_desk_makes_one_key_and_tells_whom_it_finds(
    lab: ApiLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Pusher, "push", lambda _self, to, *_a, **_k: told.append(to.endpoint))
    location = StoreLocation.of("", "", lab.store.database.path)  # type: ignore[attr-defined]
    file = tmp_path / "state" / "push.key"
    desk = LocalPushDesk(file, location, "", lab.clock)
    desk.tell(Notice("t", "x", Severity.HIGH, EPOCH))
    assert not file.exists()
    lab.having(push=desk).browser("viewer").post(PUSH, json=subscription())
    desk.tell(Notice("t", "x", Severity.HIGH, EPOCH))
    assert desk.test("viewer") == 1
    assert told == ["https://push.example/0"] * 2
    assert file.stat().st_mode & 0o777 == 0o600
    key = desk.key()
    desk.close()
    again = LocalPushDesk(file, location, "", lab.clock)
    assert again.key() == key
    again.close()
