"""Every route asked by every role and by nobody: the permission table is what decides.

The routes are taken from the app, so that a new one is tested without an edit here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from phage.access.roles import PERMISSIONS, Role, allowed, expanded
from phage.api import app as app_module
from phage.api.app import make_app
from phage.api.nouns import find_routers
from phage.api.security import guards_of, needs

if TYPE_CHECKING:
    from phage.testing.apilab import ApiLab

PUBLIC = {
    "GET /healthz", "HEAD /healthz", "GET /metrics", "HEAD /metrics", "GET /api/openapi.json",
    "GET /api/docs", "POST /api/v1/session", "POST /api/v1/session/link",
}  # fmt: skip
"""Routes that nobody needs to log in for, each for a reason."""

ROUTES = [
    (method, route.path, guards_of(route)[0].permission)
    for at_once in (True, False)
    for router in find_routers(at_once=at_once)
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


def test_only_these_routes_are_open() -> None:
    assert {f"{method} {path}" for method, path, need in ROUTES if not need} == PUBLIC


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_who_may_and_who_may_not(lab: ApiLab, method: str, path: str, permission: str) -> None:
    if not permission:
        return
    place = re.sub(r"\{[^}]*\}", "abcdef123456", path)
    if path.endswith("/events"):
        place += "?kinds=none"  # A stream has no end to wait for.
    least = PERMISSIONS[permission]
    crowdsec = path.startswith("/v1/")
    assert lab.nobody().request(method, place).status_code == (403 if crowdsec else 401)
    for role in Role:
        answer = lab.client(role).request(method, place)
        refused = answer.status_code == 403 and (crowdsec or _is_refusal(answer))
        assert refused == (role.rank < least.rank), f"{role} {method} {path}: {answer.text}"
        assert answer.status_code != 401
        assert answer.status_code < 500, answer.text


def _is_refusal(answer: Any) -> bool:
    if "error" in answer.json():  # In VirusTotal's words.
        return bool(answer.json()["error"]["message"].endswith(("read", "write")))
    return bool(answer.json()["type"].endswith("/permission"))


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_a_token_without_the_scope_may_not(
    lab: ApiLab, method: str, path: str, permission: str
) -> None:
    if not permission:
        return
    other = "status:read" if permission != "status:read" else "flows:read"
    place = re.sub(r"\{[^}]*\}", "abcdef123456", path)
    answer = lab.client("admin", (other,)).request(method, place)
    assert answer.status_code == 403


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_a_session_needs_its_token_for_every_change(
    lab: ApiLab, method: str, path: str, permission: str
) -> None:
    if not permission or method in {"GET", "HEAD"}:
        return
    browser = lab.browser("admin")
    del browser.headers["X-CSRF-Token"]
    place = re.sub(r"\{[^}]*\}", "abcdef123456", path)
    answer = browser.request(method, place)
    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.text


def test_a_route_without_a_guard_keeps_the_app_from_starting(
    lab: ApiLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()
    router.get("/open")(lambda: None)
    monkeypatch.setattr(app_module, "find_routers", lambda **_: [router])
    with pytest.raises(ValueError, match="/open needs exactly one guard"):
        make_app(lab.services)


def test_a_guard_names_a_permission_that_there_is() -> None:
    with pytest.raises(ValueError, match="no permission 'nothing:read'"):
        Depends(needs("nothing:read"))


def test_each_role_may_what_those_before_may() -> None:
    assert allowed(Role.VIEWER) < allowed(Role.OPERATOR) < allowed(Role.ADMIN)
    assert allowed(Role.ADMIN) == set(PERMISSIONS)


def test_scopes_name_permissions() -> None:
    assert expanded(["findings:read"]) == {"findings:read"}
    assert expanded(["*"]) == set(PERMISSIONS)
    assert {name.partition(":")[2] for name in expanded(["*:read"])} == {"read"}
    for wrong in ("", "findings", "findings:delete", "nothing:read", ":", "a:b:c"):
        with pytest.raises(ValueError, match="there is no scope"):
            expanded([wrong])
