"""The description of the API (OpenAPI 3.1), made exact: what guards and surroundings answer too."""

from __future__ import annotations

import gc
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from phage.api.dialects import dialect_of
from phage.api.problem import MEDIA_TYPE, Problem
from phage.api.repeats import NEVER
from phage.api.security import COOKIE, guards_of
from phage.api.uploads import PATHS as UPLOADS

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute

    from phage.api.dialects import Dialect

TEXT = """What phage sees, finds and decides, for programs.

Log in by `POST /api/v1/session`, or show a token (`Authorization: Bearer`). Requests of a session
that change something carry its `X-CSRF-Token`. Lists come in pages: `next` is the `cursor` of the
next. Every error is a problem (RFC 9457). Times are RFC 3339 in UTC.
"""

_REF = "#/components/schemas/Problem"

_ALWAYS = {
    "400": "The request is no request.",
    "401": "Nobody is logged in, or what was shown is not valid.",
    "403": "Who asks may not, or asks by a name that is none of phage's.",
    "422": "A value is wrong.",
    "429": "Too much is asked.",
    "500": "A mistake of phage's own.",
    "503": "The store, or a part of phage, does not answer.",
}
_BODY = {"413": "The body is too large.", "415": "The body is of another kind."}
_NAMED = {"404": "There is no such thing."}
_CHANGING = {"409": "It cannot be done as things stand.", "412": "It has changed meanwhile."}


def install(app: FastAPI) -> None:
    """Have the app describe itself exactly.

    What is kept is the text, packed: as objects it takes 7 MB, and few ever ask for it.
    """
    lock, kept = threading.Lock(), b""

    def text() -> bytes:
        nonlocal kept
        with lock:
            if not kept:
                app.state.nouns()
                made = json.dumps(_describe(app), separators=(",", ":"), allow_nan=False)
                kept = zlib.compress(made.encode())
                gc.collect()  # What described it refers to itself.
            return zlib.decompress(kept)

    # FastAPI's own way to another description: the method is replaced.
    app.openapi = lambda: json.loads(text())  # type: ignore[method-assign]
    app.state.description = text


def _describe(app: FastAPI) -> dict[str, Any]:
    routes = [route for router in app.state.routers for route in router.routes]
    shown = [route for route in routes if getattr(route, "include_in_schema", False)]
    made = get_openapi(title="phage", version=app.version, description=TEXT, routes=shown)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "token": {"type": "http", "scheme": "bearer"},
        "bouncer": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    }
    for route in shown:
        for method in route.methods:
            _complete(made["paths"][route.path_format][method.lower()], route, method)
    return made


_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag that is there already; unchanged: 304.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request that is sent again with it is done once.",
    "schema": {"type": "string", "maxLength": 128},
}


def _speak(responses: dict[str, Any], wanted: dict[str, str], dialect: Dialect) -> None:
    """Describe errors in the words of another program's interface."""
    content = {"application/json": {"schema": dict(dialect.schema)}}
    for status, text in wanted.items():
        for told in (status, str(dialect.statuses.get(int(status), status))):
            responses.setdefault(told, {"description": text, "content": content})


def _complete(operation: dict[str, Any], route: APIRoute, method: str) -> None:
    responses = operation["responses"]
    if method == "GET":
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
        responses["304"] = {"description": "Nothing has changed."}
    if method == "POST" and not route.path.startswith(NEVER) and route.path not in UPLOADS:
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    responses.pop("422", None)
    wanted = dict(_ALWAYS)
    if permission := guards_of(route)[0].permission:
        operation["security"] = [{"session": []}, {"token": []}, {"bouncer": []}]
        operation["x-permission"] = permission
    if "{" in route.path:
        wanted |= _NAMED
    if method not in {"GET", "HEAD"}:
        wanted |= _CHANGING | _BODY | _NAMED
    if route.path in UPLOADS:
        wanted |= {"507": "There is no room on the disk."}
    dialect = dialect_of(route.path)
    if dialect is not None:
        _speak(responses, wanted, dialect)
        return
    for status, text in wanted.items():
        responses.setdefault(
            status,
            {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": _REF}}}},
        )
