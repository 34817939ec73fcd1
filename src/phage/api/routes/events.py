"""Live events, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from phage.api.events import KINDS, EventHub, TooManyListenersError
from phage.api.listener import Listener
from phage.api.problem import Fault, ProblemError
from phage.api.security import Asker, identify, needs
from phage.api.services import Served, Services, running

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

router = APIRouter(prefix="/api/v1/events", tags=["events"])

HEARTBEAT_SECONDS = 15.0
"""A comment after this silence keeps the connection known to all in between."""

TRUST_SECONDS = 5.0
"""For so long who listens is believed to be logged in still, and to be allowed what he was."""


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(needs("events:read"))],
)
async def listen(
    request: Request,
    services: Served,
    asker: Asker,
    kinds: Annotated[
        str, Query(max_length=200, description="Kinds, separated by commas; empty: all.")
    ] = "",
    after: Annotated[
        int | None, Query(ge=0, le=2**63 - 1, description="Number of the last event that was seen.")
    ] = None,
    last_event_id: Annotated[str, Header(max_length=20)] = "",
) -> StreamingResponse:
    """Listen to findings, decisions and figures as they come; without kinds, to all one may see.

    Some of those that came after one that was seen are told first (Last-Event-ID, or `after`).
    The stream ends with the login or token by which it was asked for.
    """
    allowed = frozenset(kind for kind, permission in KINDS.items() if asker.may(permission))
    wanted = frozenset(kinds.split(",")) if kinds else allowed
    if unknown := sorted(wanted - KINDS.keys()):
        message = f"there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}"
        raise ProblemError(422, message, errors=[Fault(where="query.kinds", detail=message)])
    if beyond := sorted(wanted - allowed):
        message = f"{asker.user} may not {KINDS[beyond[0]]}"
        raise ProblemError(403, message, kind="permission")
    hub = running(services.events, "the stream of events")
    if last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id)
    try:
        listener = Listener(wanted)
        hub.join(listener, after)
    except TooManyListenersError:
        message = "too many listen already"
        raise ProblemError(503, message, headers={"Retry-After": "10"}) from None
    return _Stream(hub, listener, request)


class _Stream(StreamingResponse):
    """Events as they come. Who listened leaves at its end, and where it never begins."""

    def __init__(self, hub: EventHub, listener: Listener, request: Request) -> None:
        super().__init__(
            _told(listener, request),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )
        self._leave = partial(hub.leave, listener)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # Not in what is told: that does not run where the client has left already.
            self._leave()


async def _told(listener: Listener, request: Request) -> AsyncIterator[bytes]:
    linger: Callable[[], None] = getattr(request.state, "linger", lambda: None)
    services: Services = request.app.state.services
    trusted_until = services.clock.monotonic() + TRUST_SECONDS
    yield b"retry: 2000\n\n"
    async for event in listener.events(HEARTBEAT_SECONDS):
        linger()  # The one before was read.
        if services.clock.monotonic() >= trusted_until:
            if not await _may_still(request, listener.kinds):
                return
            trusted_until = services.clock.monotonic() + TRUST_SECONDS
        yield event.encode() if event is not None else b": still here\n\n"


async def _may_still(request: Request, kinds: frozenset[str]) -> bool:
    try:
        asker = await identify(request, is_used=False)
    except ProblemError:  # The token was revoked, or has expired.
        return False
    wanted = ("events:read", *(KINDS[kind] for kind in kinds))
    return asker is not None and all(map(asker.may, wanted))
