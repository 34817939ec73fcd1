"""What has not changed is not sent again; what was done is not done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.testing.apilab import FakeDaemon
from phage.testing.records import make_finding

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

DECISIONS = "/api/v1/decisions"
BODY = {"target": "203.0.113.7"}


def test_what_has_not_changed_is_not_sent_again(lab: ApiLab) -> None:
    client = lab.client()
    lab.store.findings.save([make_finding(1)])
    first = client.get("/api/v1/findings")
    etag = first.headers["etag"]
    again = client.get("/api/v1/findings", headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert again.headers["x-request-id"]
    lab.store.findings.save([make_finding(2)])
    assert client.get("/api/v1/findings", headers={"If-None-Match": etag}).status_code == 200


def test_a_request_that_is_sent_again_is_done_once(lab: ApiLab) -> None:
    daemon = FakeDaemon()
    client = lab.having(steer=daemon).client("operator")
    key = {"Idempotency-Key": "one"}
    answers = [client.post(DECISIONS, json=BODY, headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(daemon.asked) == 1
    assert len(lab.access.audit.list()) == 1
    other = client.post(DECISIONS, json=BODY | {"seconds": 5}, headers=key)
    assert other.status_code == 422
    assert client.post(DECISIONS, json=BODY, headers={"Idempotency-Key": "2"}).status_code == 201
    lab.clock.nanoseconds += 3601 * 10**9
    client.post(DECISIONS, json=BODY, headers=key)
    assert len(daemon.asked) == 3


def test_keys_are_of_who_uses_them(lab: ApiLab) -> None:
    daemon = FakeDaemon()
    lab = lab.having(steer=daemon)
    key = {"Idempotency-Key": "one"}
    for role in ("operator", "admin"):
        assert lab.client(role).post(DECISIONS, json=BODY, headers=key).status_code == 201
    assert lab.client("viewer").post(DECISIONS, json=BODY, headers=key).status_code == 403
    assert lab.nobody().post(DECISIONS, json=BODY, headers=key).status_code == 401
    assert len(daemon.asked) == 2


def test_what_failed_may_be_tried_again(lab: ApiLab) -> None:
    key = {"Idempotency-Key": "one"}
    own = lab.having(steer=None)
    client = own.client("operator")
    assert client.post(DECISIONS, json=BODY, headers=key).status_code == 503
    assert client.post(DECISIONS, json=BODY, headers=key).status_code == 503
    long = {"Idempotency-Key": "x" * 200}
    assert client.post(DECISIONS, json=BODY, headers=long).status_code == 422


def test_logging_in_is_never_answered_from_memory(lab: ApiLab) -> None:
    key = {"Idempotency-Key": "one"}
    body = {"user": "admin", "password": "correct horse battery"}
    client = lab.nobody()
    secrets = {
        client.post("/api/v1/session", json=body, headers=key).json()["csrf"] for _ in range(2)
    }
    assert len(secrets) == 2


def test_a_used_key_is_refused_in_the_words_of_the_path(lab: ApiLab) -> None:
    client, key = lab.client(), {"Idempotency-Key": "one"}
    bodies: list[dict[str, object]] = [{}, {"remediation_components": []}]
    first, other = (client.post("/v1/usage-metrics", json=body, headers=key) for body in bodies)
    assert (first.status_code, other.status_code) == (201, 422)
    assert other.headers["content-type"] == "application/json"
    assert "Idempotency-Key" in other.json()["message"]
