"""Live events, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from phage.api.events import KINDS, EventHub, Listener, TooManyListenersError
from phage.api.problem import Fault, ProblemError
from phage.api.security import needs
from phage.api.services import Served, running

router = APIRouter(prefix="/api/v1/events", tags=["events"])

HEARTBEAT_SECONDS = 15.0
"""A comment after this silence keeps the connection known to all in between."""


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(needs("events:read"))],
)
async def listen(
    request: Request,
    services: Served,
    kinds: Annotated[
        str, Query(max_length=200, description="Kinds, separated by commas; empty: all.")
    ] = "",
    last_event_id: Annotated[str, Header(max_length=20)] = "",
) -> StreamingResponse:
    """Listen to findings, decisions and figures as they come."""
    wanted = frozenset(kinds.split(",")) if kinds else frozenset(KINDS)
    if unknown := sorted(wanted - set(KINDS)):
        message = f"there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}"
        raise ProblemError(422, message, errors=[Fault(where="query.kinds", detail=message)])
    hub = running(services.events, "the stream of events")
    after = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else None
    try:
        listener = hub.listen(wanted, after)
    except TooManyListenersError:
        message = "too many listen already"
        raise ProblemError(503, message, headers={"Retry-After": "10"}) from None
    linger: Callable[[], None] = getattr(request.state, "linger", lambda: None)
    return StreamingResponse(
        _stream(hub, listener, linger),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(
    hub: EventHub, listener: Listener, linger: Callable[[], None]
) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 2000\n\n"
        async for event in listener.events(HEARTBEAT_SECONDS):
            linger()  # The one before was read.
            yield event.encode() if event is not None else b": still here\n\n"
    finally:
        hub.leave(listener)
