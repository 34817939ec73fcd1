"""Logging in and out: what begins a session, what ends it, and what is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.access.totp import STEP_SECONDS, totp_code

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

PASSWORD = "correct horse battery"
SESSION = "/api/v1/session"


def test_login_gives_a_cookie_that_scripts_cannot_read(lab: ApiLab) -> None:
    client = lab.nobody()
    answer = client.post(SESSION, json={"user": "Operator", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["role"] == "operator"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get(SESSION).json()["user"] == "operator"


def test_wrong_logins_all_read_the_same(lab: ApiLab) -> None:
    client = lab.nobody()
    answers = [
        client.post(SESSION, json={"user": user, "password": "wrong password"})
        for user in ("admin", "nobody-here")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert answers[0].headers["content-type"] == "application/problem+json"


def test_logins_that_fail_are_slowed_down(lab: ApiLab) -> None:
    client = lab.nobody()
    for _ in range(10):
        client.post(SESSION, json={"user": "admin", "password": "wrong password"})
    answer = client.post(SESSION, json={"user": "admin", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    lab.clock.nanoseconds += 901 * 10**9
    assert client.post(SESSION, json={"user": "admin", "password": PASSWORD}).status_code == 200


def test_a_session_planted_before_is_worth_nothing(lab: ApiLab) -> None:
    client = lab.nobody()
    client.cookies.set("phage_session", "planted-by-somebody")
    client.post(SESSION, json={"user": "admin", "password": PASSWORD})
    assert client.cookies.get("phage_session", domain="localhost.local") != "planted-by-somebody"
    stranger = lab.nobody()
    stranger.cookies.set("phage_session", "planted-by-somebody")
    assert stranger.get(SESSION).status_code == 401


def test_a_second_login_ends_the_session_of_the_same_browser(lab: ApiLab) -> None:
    client = lab.browser()
    former = client.cookies["phage_session"]
    client.post(SESSION, json={"user": "admin", "password": PASSWORD})
    stranger = lab.nobody()
    stranger.cookies.set("phage_session", former)
    assert stranger.get(SESSION).status_code == 401


def test_sessions_end_when_idle_and_when_old(lab: ApiLab) -> None:
    client = lab.browser()
    lab.clock.nanoseconds += 11 * 3600 * 10**9
    assert client.get(SESSION).status_code == 200
    lab.clock.nanoseconds += 13 * 3600 * 10**9
    assert client.get(SESSION).status_code == 401
    client = lab.browser()
    found = []
    for _ in range(16):
        lab.clock.nanoseconds += 11 * 3600 * 10**9
        found.append(client.get(SESSION).status_code)
    assert found == [200] * 15 + [401]


def test_changes_of_a_session_need_the_csrf_token(lab: ApiLab) -> None:
    client = lab.browser()
    token = client.headers.pop("X-CSRF-Token")
    for offered in (None, "wrong", token[:-1]):
        headers = {"X-CSRF-Token": offered} if offered is not None else {}
        answer = client.delete(f"{SESSION}/others", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("/csrf")
    assert client.delete(f"{SESSION}/others", headers={"X-CSRF-Token": token}).status_code == 204


def test_another_sites_page_is_refused_even_with_the_token(lab: ApiLab) -> None:
    client = lab.browser()
    answer = client.delete(f"{SESSION}/others", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_a_token_needs_no_csrf_token_and_changes_no_login(lab: ApiLab) -> None:
    client = lab.client("viewer")
    assert client.delete(f"{SESSION}/others").status_code == 204
    body = {"old": PASSWORD, "new": "another good password"}
    assert client.put(f"{SESSION}/password", json=body).status_code == 403


def test_logging_out_ends_the_session(lab: ApiLab) -> None:
    client = lab.browser("viewer")
    secret = client.cookies["phage_session"]
    assert client.delete(SESSION).status_code == 204
    client.cookies.set("phage_session", secret)
    assert client.get(SESSION).status_code == 401


def test_a_new_password_ends_the_other_sessions(lab: ApiLab) -> None:
    one, other = lab.browser(), lab.browser()
    body = {"old": PASSWORD, "new": "another good password"}
    assert one.put(f"{SESSION}/password", json=body | {"old": "wrong password"}).status_code == 401
    assert one.put(f"{SESSION}/password", json=body | {"new": "1234567890"}).status_code == 422
    assert one.put(f"{SESSION}/password", json=body).status_code == 204
    assert one.get(SESSION).status_code == 200
    assert other.get(SESSION).status_code == 401


def test_the_second_factor_is_asked_and_a_code_is_good_once(lab: ApiLab) -> None:
    client = lab.browser()
    secret = client.post(f"{SESSION}/second-factor").json()["secret"]
    step = lab.clock.now() // 10**9 // STEP_SECONDS
    wrong = {"secret": secret, "code": "000000"}
    assert client.put(f"{SESSION}/second-factor", json=wrong).status_code == 401
    right = {"secret": secret, "code": totp_code(secret, step)}
    assert client.put(f"{SESSION}/second-factor", json=right).status_code == 204
    again = lab.nobody()
    login = {"user": "admin", "password": PASSWORD}
    answer = again.post(SESSION, json=login)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (401, "second-factor")
    used = again.post(SESSION, json=login | {"code": totp_code(secret, step)})
    assert used.status_code == 401
    lab.clock.nanoseconds += STEP_SECONDS * 10**9
    code = totp_code(secret, step + 1)
    assert again.post(SESSION, json=login | {"code": code}).status_code == 200
    assert lab.nobody().post(SESSION, json=login | {"code": code}).status_code == 401


def test_a_link_makes_the_first_user_once(lab: ApiLab) -> None:
    link = lab.access.users.make_link("first")
    body = {"link": link, "password": "another good password", "user": "Ada"}
    short = lab.nobody().post(f"{SESSION}/link", json=body | {"password": "short"})
    assert short.status_code == 422
    answer = lab.nobody().post(f"{SESSION}/link", json=body)
    assert (answer.status_code, answer.json()["user"]) == (200, "ada")
    assert answer.json()["role"] == "admin"
    assert lab.nobody().post(f"{SESSION}/link", json=body).status_code == 401


def test_a_link_is_good_for_a_day(lab: ApiLab) -> None:
    link = lab.access.users.make_link("late")
    lab.clock.nanoseconds += 86_401 * 10**9
    body = {"link": link, "password": "another good password"}
    assert lab.nobody().post(f"{SESSION}/link", json=body).status_code == 401
