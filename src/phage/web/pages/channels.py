"""Channels: whom phage tells, what became of it, and a test."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.errors import PhageError
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)

Name = Annotated[str, Path(min_length=1, max_length=64)]


@router.get("/channels", dependencies=[Depends(needs("config:read"))])
def channels(request: Request, services: Served, asker: Asker) -> HTMLResponse:
    """List whom phage tells."""
    answer = services.steered("channels.list", asker.name)
    return page(request, "channels.html", channels=answer["channels"])


@router.post("/channels/{name}/test", dependencies=[Depends(needs("config:write"))])
def probe(request: Request, services: Served, asker: Asker, name: Name) -> Response:
    """Tell one channel that this is a test."""
    try:
        services.steered("channels.test", asker.name, name=name)
    except PhageError as error:
        return back(request, "/channels", str(error), bad=True)
    return back(request, "/channels", f"{name} was told; look whether it arrived.")
