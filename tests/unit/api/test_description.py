"""The description of the API against the API: schemathesis tries every operation.

PHAGE_API_EXAMPLES says how many requests each operation gets; `make soak` gives more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from phage.store.store import StoreLocation
from phage.testing.apilab import ApiLab, api_lab, quick_passwords
from phage.testing.records import make_decision, make_finding, make_flow

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = 12
EXAMPLES = int(os.environ.get("PHAGE_API_EXAMPLES", USUAL))

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiLab]:
    """Give the API over a store that has something of everything."""
    folder = tmp_path_factory.mktemp("api")
    location = StoreLocation.of("", "", folder / "store.sqlite3")
    with quick_passwords(), api_lab(location, folder / "captures") as lab:
        lab.store.findings.save(make_finding(number) for number in range(20))
        lab.store.flows.save(make_flow(number) for number in range(20))
        lab.store.decisions.save(make_decision(number) for number in range(20))
        yield lab


def test_every_answer_is_described(full: ApiLab) -> None:
    schema = schemathesis.openapi.from_asgi(
        "/api/openapi.json", full.app, headers={"Host": "localhost"}
    )
    token = full.client().headers["Authorization"]
    faults = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.path == "/api/v1/events":  # A stream has no end to wait for.
            continue
        try:
            _try(operation, {"Authorization": token, "Host": "localhost"})
        except BaseExceptionGroup as error:  # All that is wrong is told at once.
            faults.append(f"{operation.label}: {error}")
    assert not faults, "\n\n".join(faults)


def _try(operation: Any, headers: dict[str, str]) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=EXAMPLES == USUAL,  # Each night others, in CI always the same.
        database=None,
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    ask()


def test_every_operation_is_described_with_what_it_needs(full: ApiLab) -> None:
    described = full.app.openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], f"{method} {path}"
            assert "422" in operation["responses"]
            if operation.get("security"):
                assert "401" in operation["responses"]
                assert operation["x-permission"]


def test_the_page_for_people_has_nothing_from_elsewhere(full: ApiLab) -> None:
    page = full.nobody().get("/api/docs").text
    assert "GET /api/v1/findings" in page
    for sign in ("<script", "<style", "http://", "https://", " onclick", " style="):
        assert sign not in page, sign
