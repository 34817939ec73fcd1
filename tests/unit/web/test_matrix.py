"""Every route of the dashboard asked by every role and by nobody, as those of the API are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute

from phage.access.roles import PERMISSIONS, Role
from phage.api.security import guards_of
from phage.store.store import StoreLocation
from phage.testing.apilab import api_lab
from phage.testing.fakedaemon import FakeDaemon
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.testing.apilab import ApiLab

PUBLIC = {
    "GET /login", "POST /login", "GET /welcome", "POST /welcome", "GET /offline", "GET /sw.js",
    "GET /favicon.ico", "GET /static/{name}",
}  # fmt: skip

ROUTES = [
    (method, route.path, guards_of(route)[0].permission)
    for router in Dashboard().routers
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted((route.methods or set()) - {"HEAD"})
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    folder = tmp_path_factory.mktemp("pages")
    location = StoreLocation.of("", "", folder / "store.sqlite3")
    with api_lab(location, folder / "captures", Dashboard()) as made:
        yield made.having(steer=FakeDaemon())


def place_of(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "abcdef123456", path)


def test_only_these_routes_are_open() -> None:
    assert {f"{method} {path}" for method, path, need in ROUTES if not need} == PUBLIC


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_who_may_and_who_may_not(pages: ApiLab, method: str, path: str, permission: str) -> None:
    if not permission:
        return
    place, least = place_of(path), PERMISSIONS[permission]
    assert pages.nobody().request(method, place).status_code == 401
    html = {"Accept": "text/html"}
    shown = pages.nobody().request(method, place, headers=html, follow_redirects=False)
    assert (shown.status_code, shown.headers["Location"][:6]) == (303, "/login")
    for role in Role:
        client = pages.client(role)
        answer = client.request(method, place, follow_redirects=False)
        refused = answer.status_code == 403
        assert refused == (role.rank < least.rank), f"{role} {method} {path}: {answer.text}"
        assert answer.status_code != 401
        assert answer.status_code < 500, answer.text
    other = "status:read" if permission != "status:read" else "flows:read"
    assert pages.client("admin", (other,)).request(method, place).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path, need in ROUTES if need and method != "GET"],
)
def test_a_form_needs_its_token(pages: ApiLab, method: str, path: str) -> None:
    browser = pages.browser("admin")
    del browser.headers["X-CSRF-Token"]
    for fields in ({}, {"csrf_token": "x" * 43}):
        answer = browser.request(method, place_of(path), data=fields, follow_redirects=False)
        assert answer.status_code == 403
        assert "X-CSRF-Token" in answer.text
