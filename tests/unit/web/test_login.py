"""Coming in: first link, password, second factor, going out; and what leads elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.access.totp import new_totp_secret, totp_code
from phage.testing.apilab import PASSWORD
from phage.web.render import own_path

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

STEP = 30 * 10**9


def test_the_first_user_comes_by_a_link(empty: ApiLab) -> None:
    for role in ("viewer", "operator"):
        empty.access.users.remove(role)
    link = empty.access.users.make_link("ada")
    client = empty.nobody()
    assert "This link works once" in client.get(f"/welcome?link={link}").text
    wrong = client.post(
        "/welcome", data={"link": link, "user": "ada", "password": "a" * 12, "again": "b" * 12}
    )
    assert "the two passwords differ" in wrong.text
    words = "a long enough sentence"
    inside = client.post(
        "/welcome", data={"link": link, "user": "ada", "password": words, "again": words}
    )
    assert inside.url.path == "/"
    assert "<strong>ada</strong>" in inside.text
    assert "not valid" in empty.nobody().get(f"/welcome?link={link}").text


def test_who_comes_is_led_where_he_wanted(empty: ApiLab) -> None:
    client = empty.nobody()
    asked = client.get("/findings?state=open", headers={"Accept": "text/html"})
    assert asked.url.path == "/login"
    inside = client.post(
        "/login",
        data={"user": "admin", "password": PASSWORD, "to": asked.url.params["to"]},
    )
    assert str(inside.url).endswith("/findings?state=open")


def test_what_is_wrong_is_not_said(empty: ApiLab) -> None:
    for user, password in (("admin", "wrong password"), ("nobody", PASSWORD)):
        answer = empty.nobody().post("/login", data={"user": user, "password": password})
        assert answer.status_code == 401
        assert "name, password or code is wrong" in answer.text


def test_the_second_factor_is_asked_for(empty: ApiLab) -> None:
    secret = new_totp_secret()
    step = empty.clock.now() // STEP
    empty.access.users.set_totp("admin", secret, totp_code(secret, step))
    empty.clock.nanoseconds += STEP
    client = empty.nobody()
    asked = client.post("/login", data={"user": "admin", "password": PASSWORD})
    assert 'name="code"' in asked.text
    fields = {"user": "admin", "password": PASSWORD, "code": totp_code(secret, step + 1)}
    assert client.post("/login", data=fields).url.path == "/"


def test_a_session_begins_anew_at_the_login(empty: ApiLab) -> None:
    client = empty.nobody()
    client.cookies.set("phage_session", "chosen-by-a-stranger")
    client.post("/login", data={"user": "admin", "password": PASSWORD})
    values = {cookie.value for cookie in client.cookies.jar if cookie.name == "phage_session"}
    assert "chosen-by-a-stranger" not in {v for v in values if v} or len(values) > 1
    assert client.get("/", follow_redirects=False).status_code == 200


def test_going_out_ends_the_session(empty: ApiLab) -> None:
    client = empty.browser()
    client.post("/logout", data={"csrf_token": client.headers["X-CSRF-Token"]})
    answer = client.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:x",
     "/a\nb", "", "evil"],
)  # fmt: skip
def test_no_way_leads_elsewhere(path: str) -> None:
    assert own_path(path) == "/"
    assert own_path("/findings?state=open") == "/findings?state=open"
