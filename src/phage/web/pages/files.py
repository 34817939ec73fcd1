"""The files that pages load, and what makes the dashboard an app of a phone."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from phage.api.security import Public
from phage.web import assets
from phage.web.render import bare_page

router = APIRouter(include_in_schema=False, dependencies=[Depends(Public())])


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """Return a file that a page loads."""
    return assets.answer(request, name)


@router.get("/sw.js")
def service_worker(request: Request) -> Response:
    """Return the service worker: from the root, since it may only act below its own path."""
    return assets.answer(request, "sw.js")


@router.get("/favicon.ico")
def favicon(request: Request) -> Response:
    """Return the icon, for browsers that ask without being told."""
    return assets.answer(request, "icon.svg")


@router.get("/offline")
def offline(request: Request) -> HTMLResponse:
    """Return what the service worker shows when phage cannot be reached."""
    return bare_page(request, "offline.html")
