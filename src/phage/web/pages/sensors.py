"""Sensors on other machines: who joined, when each was heard; invited and revoked here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.sensors import NAME, Invitation, end, invite, sensor_rows
from phage.api.services import Served, Services
from phage.errors import PhageError
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)

_WRITE = Depends(needs("sensors:write"))
_Name = Annotated[str, Form(pattern=NAME)]


@router.get("/sensors", dependencies=[Depends(needs("sensors:read"))])
def sensors(request: Request, services: Served) -> HTMLResponse:
    """List sensors."""
    return _page(request, services)


def _page(request: Request, services: Services, made: Invitation | None = None) -> HTMLResponse:
    return page(
        request,
        "sensors.html",
        sensors=sensor_rows(services),
        made=made,
        takes=services.sensors is not None,
        place=str(request.base_url).rstrip("/"),
    )


@router.post("/sensors", dependencies=[_WRITE])
def invite_sensor(request: Request, services: Served, asker: Asker, name: _Name) -> Response:
    """Invite a sensor, and show what it joins by, once."""
    try:
        made = invite(services, asker.user, name)
    except (PhageError, ProblemError) as error:
        return back(request, "/sensors", getattr(error, "detail", None) or str(error), bad=True)
    request.state.audit = f"sensor {name}"
    return _page(request, services, made)


@router.post("/sensors/revoke", dependencies=[_WRITE])
def revoke_sensor(request: Request, services: Served, name: _Name) -> Response:
    """Revoke a sensor or an invitation."""
    if not end(services, name):
        return back(request, "/sensors", f"there is no sensor {name}", bad=True)
    request.state.audit = f"sensor {name}"
    return back(request, "/sensors", f"{name} is revoked")
