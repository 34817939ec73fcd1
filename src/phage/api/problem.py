"""What is wrong, as problem details for HTTP APIs (RFC 9457): every error of the API is one."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from phage.access.errors import (
    AccessError,
    LoginError,
    NameTakenError,
    SecondFactorError,
    SlowDownError,
    UnknownNameError,
)
from phage.api.dialects import dialect_of
from phage.devices.proposal import NotAcceptedError
from phage.errors import ConfigError, PhageError, RuleError, StateError, StoreError
from phage.policy.desk import RefusedError
from phage.scan.desk import DeskError, NoRoomError, TooLargeError, TooManyError, UnknownEngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

MAX_ERRORS = 20
"""Faults of one request that are told."""

TYPES = "https://phage.invalid/problems/"
"""Begins the type of a problem that has a name; others are about:blank (RFC 9457, 4.2.1)."""


class Fault(BaseModel):
    """One value of a request that is wrong."""

    where: str = Field(description="The value: query.limit, body.target, header.If-Match.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field("about:blank", description="Names the kind of problem.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The status code.")
    detail: str = Field("", description="What is wrong this time, and what to do.")
    instance: str = Field("", description="Id of the request, as in the log.")
    errors: list[Fault] = Field([], description="Values of the request that are wrong.")


class ProblemError(PhageError):
    """Ends a request with a problem.

    Args:
        status: The status code.
        detail: What is wrong, and what to do.
        kind: Name of the problem, as `second-factor`; '' for one that its status says enough about.
        errors: Values of the request that are wrong.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.errors = list(errors)
        self.headers = dict(headers or {})


def problem_response(error: ProblemError, request_id: str = "", path: str = "") -> JSONResponse:
    """Return a problem as an answer, in the words that are spoken at a path."""
    dialect = dialect_of(path)
    if dialect is not None:
        status = dialect.statuses.get(error.status, error.status)
        return JSONResponse(dialect.body(status, str(error)), status, error.headers)
    problem = Problem(
        type=TYPES + error.kind if error.kind else "about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=str(error),
        instance=f"urn:phage:request:{request_id}" if request_id else "",
        errors=error.errors,
    )
    return JSONResponse(
        problem.model_dump(exclude_defaults=False), error.status, error.headers, MEDIA_TYPE
    )


# The first that fits is taken: those that say more come first.
_STATUS: tuple[tuple[type[PhageError], int, str], ...] = (
    (SecondFactorError, 401, "second-factor"),
    (LoginError, 401, "login"),
    (UnknownNameError, 404, ""),
    (NameTakenError, 409, ""),
    (AccessError, 422, ""),
    (UnknownEngineError, 404, ""),
    (TooLargeError, 413, ""),
    (NoRoomError, 507, ""),
    (DeskError, 409, ""),
    (RefusedError, 409, "refused"),
    (RuleError, 422, "rules"),
    (ConfigError, 422, "config"),
    (NotAcceptedError, 409, "not-accepted"),
    (StateError, 409, ""),
    (StoreError, 503, "store"),
)


def as_problem(error: Exception) -> ProblemError:
    """Return what a fault means to who asked."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, PhageError):
        return _of_phage(error)
    if isinstance(error, RequestValidationError):
        return ProblemError(422, "the request does not fit its description", errors=_faults(error))
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, _detail(error), headers=error.headers)
    return ProblemError(500, "phage made a mistake; its log says more, by the request's id")


def _of_phage(error: PhageError) -> ProblemError:
    if isinstance(error, SlowDownError):
        headers = {"Retry-After": str(int(error.after) + 1)}
        return ProblemError(429, str(error), kind="slow-down", headers=headers)
    if isinstance(error, TooManyError):
        return ProblemError(429, str(error), headers={"Retry-After": str(int(error.after) + 1)})
    found = (each for each in _STATUS if isinstance(error, each[0]))
    _, status, name = next(found, (PhageError, 422, ""))
    return ProblemError(status, str(error), kind=name)


def _detail(error: HTTPException) -> str:
    phrase = HTTPStatus(error.status_code).phrase
    return "" if error.detail == phrase else str(error.detail)


def _faults(error: RequestValidationError) -> list[Fault]:
    return [
        Fault(
            where=".".join(map(str, fault["loc"])),
            detail=str(fault["msg"]).removeprefix("Value error, "),
        )
        for fault in error.errors()[:MAX_ERRORS]
    ]


def install(app: FastAPI) -> None:
    """Have every error of an app answered by a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        found = as_problem(error)
        if isinstance(error, StoreError):
            _log.error("%s", error, extra={"limit": "store"})
        request_id = getattr(request.state, "request_id", "")
        response = problem_response(found, request_id, request.url.path)
        pages = request.app.state.pages
        if pages is not None:
            page: Response | None = pages.problem(request, found)
            if page is not None:
                return page
        return response

    for kind in (PhageError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)
