"""What surrounds every request: its id, who may ask by which name, its size, headers, the audit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from phage.api.hosts import is_own_host
from phage.api.problem import ProblemError, as_problem, problem_response
from phage.errors import StoreError
from phage.telemetry import requestid

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from phage.access.identity import Identity
    from phage.api.services import Services

_log = logging.getLogger(__name__)

MAX_BODY = 1 << 20
"""Octets of a request's body; a route that takes files asks for more by `long_body`."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Content Security Policy, level 3: nothing from elsewhere, no script or style in a page."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

STRICT_TRANSPORT = "max-age=31536000"
"""Only with a certificate that was given: a browser that once saw it takes no other for a year."""


class Surroundings:
    """Gives each request an id, refuses what must not come, and sets headers of each answer.

    Args:
        app: What answers.
        services: Tells the names by which phage may be asked.
        strict_transport: Tell browsers to come by TLS only (RFC 6797).
        large: Bodies that may be larger, by their path.
    """

    def __init__(
        self,
        app: ASGIApp,
        services: Services,
        *,
        strict_transport: bool = False,
        large: dict[str, int] | None = None,
    ) -> None:
        self.app = app
        self._services = services
        self._large = large or {}
        self._headers = dict(HEADERS)
        if strict_transport:
            self._headers["Strict-Transport-Security"] = STRICT_TRANSPORT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":  # Begin and end of the server; there are no websockets.
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = requestid.take_request_id(headers.get("X-Request-Id", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        token = requestid.current.set(request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = request_id
                for name, value in self._headers.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                response = problem_response(refusal, request_id, scope["path"])
                await response(scope, receive, send_with_headers)
                return
            await self.app(scope, _bounded(receive, self._most(scope)), send_with_headers)
        finally:
            # Without the query: the link of a first login stands there.
            _log.debug("%s %s: %s", scope["method"], scope["path"], status or "no answer")
            requestid.current.reset(token)

    def _most(self, scope: Scope) -> int:
        return self._large.get(scope["path"], MAX_BODY)

    def _refusal(self, scope: Scope, headers: Headers) -> ProblemError | None:
        if not is_own_host(headers.get("Host", ""), self._services.hosts):
            message = "ask by address or as localhost, or name this host in api.hosts"
            return ProblemError(403, message, kind="host")
        if scope["method"] not in SAFE and headers.get("Sec-Fetch-Site") == "cross-site":
            return ProblemError(403, "another site's page made this request", kind="csrf")
        length = headers.get("Content-Length", "0")
        if length.isdecimal() and int(length) > self._most(scope):
            return ProblemError(413, f"a body has at most {self._most(scope)} octets")
        return None


def _bounded(receive: Receive, most: int) -> Receive:
    """Return a receive that ends a body that is too large, announced or not."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            # Of this kind FastAPI makes no 400, as it does of all others while a body is read.
            raise HTTPException(413, f"a body has at most {most} octets")
        return message

    return bounded


class Audited:
    """Writes every change that succeeded into the audit log, before it is confirmed.

    A change that cannot be written down is made, but answered with a problem: who asked knows.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._audit = services.access.audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        failed = False

        async def send_audited(message: Message) -> None:
            nonlocal failed
            if failed:
                return
            if message["type"] == "http.response.start" and message["status"] < 400:
                try:
                    await run_sync(self._note, scope)
                except StoreError as error:
                    failed = True
                    request_id = scope["state"]["request_id"]
                    response = problem_response(as_problem(error), request_id, scope["path"])
                    await response(scope, receive, send)
                    return
            await send(message)

        await self.app(scope, receive, send_audited)

    def _note(self, scope: Scope) -> None:
        state = scope["state"]
        if state.get("unaudited"):
            return
        identity: Identity | None = state.get("identity")
        actor = identity.detailed if identity is not None else state.get("actor", "nobody")
        client = scope.get("client")
        detail = f"{state.get('audit', '')} (from {client[0] if client else '?'})".strip()
        self._audit.note(actor, f"{scope['method']} {_name(scope)}", scope["path"], detail)


def _name(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "name", "")) or str(scope["path"])
