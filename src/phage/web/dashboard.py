"""The dashboard as the app takes it: routers of pages, files, and pages that tell problems."""

from __future__ import annotations

import importlib
import pkgutil
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi.responses import RedirectResponse

from phage.web import pages
from phage.web.render import bare_page, own_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

    from phage.api.problem import ProblemError


class Dashboard:
    """All pages."""

    def __init__(self) -> None:
        names = sorted(module.name for module in pkgutil.iter_modules(pages.__path__))
        self.routers: Sequence[APIRouter] = [
            importlib.import_module(f"{pages.__name__}.{name}").router for name in names
        ]

    def problem(self, request: Request, error: ProblemError) -> Response | None:
        """Return the page that tells a problem; who is not logged in is led to the login."""
        if request.url.path.startswith(("/api/", "/v1/")) or not _wants_page(request):
            return None
        if error.status == HTTPStatus.UNAUTHORIZED:
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            wanted = own_path(asked) if request.method == "GET" else "/"
            query = "" if wanted == "/" else f"?to={quote(wanted, safe='')}"
            return RedirectResponse(f"/login{query}", 303)
        return bare_page(
            request,
            "problem.html",
            error.status,
            title=HTTPStatus(error.status).phrase,
            detail=str(error),
            errors=error.errors,
            instance=getattr(request.state, "request_id", ""),
        )


def _wants_page(request: Request) -> bool:
    accepts = request.headers.get("Accept", "")
    return "text/html" in accepts or request.headers.get("X-Requested-With") == "phage"
