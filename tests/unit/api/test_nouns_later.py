"""The nouns of the API are made when the first program asks for one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute

from phage.api.app import make_app
from phage.api.nouns import Later
from phage.testing.apilab import ApiLab

if TYPE_CHECKING:
    from fastapi import FastAPI


@pytest.fixture
def later(lab: ApiLab) -> ApiLab:
    return ApiLab(make_app(lab.services, is_lazy=True), lab.services, lab.store, lab.clock)


def paths(app: FastAPI) -> set[str]:
    return {route.path for route in app.routes if isinstance(route, APIRoute)}


def test_they_are_not_there_for_pages_and_monitoring(later: ApiLab) -> None:
    browser = later.browser()
    for path in ("/healthz", "/metrics", "/api/v1/session", "/nothing", "/api/v1/events?kinds=no"):
        assert browser.get(path).status_code < 500
    assert not later.app.state.nouns.is_done
    assert "/api/v1/status" not in paths(later.app)


@pytest.mark.parametrize("path", ["/api/v1/status", "/v1/decisions", "/api/v3/files/0", "/taxii2"])
def test_the_first_program_has_them_made(lab: ApiLab, later: ApiLab, path: str) -> None:
    expected = lab.client().get(path)
    answer = later.client().get(path)
    assert (answer.status_code, answer.content[:9]) == (expected.status_code, expected.content[:9])
    assert paths(later.app) == paths(lab.app)


def test_the_description_has_all(lab: ApiLab, later: ApiLab) -> None:
    assert later.nobody().get("/api/openapi.json").json() == lab.app.openapi()


def test_they_are_made_once_for_many_who_come_together() -> None:
    done: list[int] = []
    later = Later(lambda: done.append(1))
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(later) for _ in range(32)]:
            each.result(60)
    assert done == [1]
    assert later.is_done
