"""The API's nouns: routes that are found, and made when the first program asks for one.

A dashboard asks for none of them: while only people look at phage they are never there. They take
6 MB, most of it descriptions of what is asked and answered.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import threading
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from phage.api import routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import APIRouter
    from starlette.types import ASGIApp, Receive, Scope, Send

AT_ONCE = ("docs", "events", "push", "service", "session")
"""What pages, browsers and monitoring ask for."""

_PREFIXES = ("/api/v", "/v1/", "/taxii2")
_OF_PAGES = ("/api/v1/events", "/api/v1/push", "/api/v1/session")


def find_routers(*, at_once: bool) -> list[APIRouter]:
    """Return the router of each file in `routes/`, by name: those that are AT_ONCE, or the others.

    Args:
        at_once: Which of both.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(routes.__path__))
    return [
        importlib.import_module(f"{routes.__name__}.{name}").router
        for name in names
        if (name in AT_ONCE) == at_once
    ]


class Later:
    """Has something done once, when it is first needed. May be called from several threads."""

    def __init__(self, do: Callable[[], None]) -> None:
        self.is_done = False
        self._do = do
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Do it unless it is done."""
        with self._lock:
            if not self.is_done:
                self._do()
                self.is_done = True
                gc.collect()  # Making routes leaves much that refers to itself.


class Nouns:
    """Has the nouns made before the first request to one of them is answered."""

    def __init__(self, app: ASGIApp, make: Later) -> None:
        self.app = app
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"] if scope["type"] == "http" else ""
        is_noun = path.startswith(_PREFIXES) and not path.startswith(_OF_PAGES)
        if is_noun and not self._make.is_done:
            await run_sync(self._make)
        await self.app(scope, receive, send)
