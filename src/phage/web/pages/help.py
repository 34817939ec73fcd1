"""Help: how phage does, what its words mean, and what to do next."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served
from phage.web.render import page
from phage.web.state import state_of

router = APIRouter(include_in_schema=False)


@router.get("/help", dependencies=[Depends(needs("status:read"))])
def show(request: Request, services: Served) -> HTMLResponse:
    """Show help."""
    return page(request, "help.html", state=state_of(services))
