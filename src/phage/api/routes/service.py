"""What monitoring asks: /healthz and /metrics, and the description of the API."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from phage.access.identity import Identity
from phage.api.problem import ProblemError
from phage.api.security import Public, identify, is_metrics_token, is_this_machine
from phage.api.services import Served
from phage.telemetry.metrics import CONTENT_TYPE

router = APIRouter(include_in_schema=False, dependencies=[Depends(Public())])


@router.api_route("/healthz", methods=["GET", "HEAD"])
def healthz(services: Served) -> Response:
    """Tell how the daemon does: 200 when all is well, else 503."""
    health = dict(services.health())
    return JSONResponse(health, 200 if health.get("status") == "ok" else 503)


@router.api_route("/metrics", methods=["GET", "HEAD"])
async def metrics(request: Request, services: Served) -> Response:
    """Tell all metrics in Prometheus's text format."""
    authorization = request.headers.get("Authorization", "")
    open_here = not services.metrics_token and is_this_machine(request)
    if not (open_here or is_metrics_token(services, authorization)):
        identity = await _by_token(request)
        if identity is None:
            return PlainTextResponse(
                "a bearer token is needed\n", 401, {"WWW-Authenticate": "Bearer"}
            )
        if not identity.may("metrics:read"):
            return PlainTextResponse("that token may not metrics:read\n", 403)
    return Response(services.registry.exposition(), 200, media_type=CONTENT_TYPE)


async def _by_token(request: Request) -> Identity | None:
    try:
        return await identify(request)
    except ProblemError:
        return None


@router.get("/api/openapi.json")
def openapi(request: Request) -> Response:
    """Describe the API (OpenAPI 3.1)."""
    return Response(request.app.state.description(), media_type="application/json")
