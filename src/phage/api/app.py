"""The app: routes that are found, what surrounds them, and their description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastapi import FastAPI

from phage.api import description, problem
from phage.api.memory import Memory
from phage.api.middleware import Audited, Surroundings
from phage.api.nouns import Later, Nouns, find_routers
from phage.api.repeats import Once, Unchanged
from phage.api.security import guards_of
from phage.api.sensors import MAX_MODEL, MAX_WINDOW, MODELS, WINDOWS
from phage.api.uploads import FORM_ROOM, PATHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

    from phage.api.problem import ProblemError
    from phage.api.services import Services


API_VERSION = "1"
"""What is under /api/v1 only grows; what changes meaning comes under another number."""


class Pages(Protocol):
    """The dashboard, which stands above the API and is handed in."""

    routers: Sequence[APIRouter]
    """Routes of pages; each has a guard, as those of the API."""

    def problem(self, request: Request, error: ProblemError) -> Response | None:
        """Return the page that tells a problem, or leads to the login; None: as the API does."""


def make_app(
    services: Services,
    pages: Pages | None = None,
    *,
    strict_transport: bool = False,
    is_lazy: bool = False,
) -> FastAPI:
    """Return the app that serves the API, and the pages if there are any.

    Args:
        services: What routes ask of the daemon.
        pages: The dashboard.
        strict_transport: Tell browsers to come by TLS only.
        is_lazy: Make the nouns of the API when the first program asks for one.

    Raises:
        ValueError: A route has no guard: none is open by mistake.
    """
    app = FastAPI(
        title="phage",
        version=API_VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.pages = pages
    app.state.memory = Memory(services.clock)
    app.state.routers = []
    app.state.nouns = Later(lambda: _add(app, find_routers(at_once=False)))
    _add(app, [*find_routers(at_once=True), *(pages.routers if pages is not None else ())])
    if not is_lazy:
        app.state.nouns()
    problem.install(app)
    description.install(app)
    # The last is the outermost.
    app.add_middleware(Nouns, make=app.state.nouns)
    app.add_middleware(Audited, services=services)
    app.add_middleware(Once, clock=services.clock)
    app.add_middleware(Unchanged)
    app.add_middleware(
        Surroundings, services=services, strict_transport=strict_transport, large=_large(services)
    )
    return app


def _add(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    for router in routers:
        for route in router.routes:
            if len(guards_of(route)) != 1:
                message = f"{getattr(route, 'path', route)} needs exactly one guard"
                raise ValueError(message)
        # Not included, which would copy them: they are whole as they are.
        app.router.routes.extend(router.routes)
    app.state.routers += routers


def _large(services: Services) -> dict[str, int]:
    """Return how large bodies with files may be, by path."""
    large = {WINDOWS: MAX_WINDOW, MODELS: MAX_MODEL} if services.sensors is not None else {}
    if services.scanning is not None:
        large |= dict.fromkeys(PATHS, services.scanning.largest + FORM_ROOM)
    return large
