"""Answers that need not be made twice: unchanged ones (ETag), and to requests sent again.

A client that did not hear the answer to a POST sends it again with the same `Idempotency-Key`
(draft-ietf-httpapi-idempotency-key-header): what was done is answered, and not done again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from phage.api.problem import ProblemError, problem_response
from phage.api.uploads import PATHS as UPLOADS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from phage.clock import Clock

MAX_KEYS = 1000
"""Requests whose answers are kept; the oldest go."""

MAX_ANSWER = 64 * 1024
"""Octets of an answer that is kept; to a larger one the request is done again."""

KEPT_SECONDS = 3600.0

LONGEST_KEY = 128

NEVER = ("/api/v1/session",)
"""What begins a session is never answered from memory."""

WEAK_LIMIT = 4 << 20
"""Octets of an answer of which an ETag is made: it has to be whole before it is sent."""


class Unchanged:
    """Adds an ETag to what is read, and answers 304 to who has it already (RFC 9110, 13.1.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("If-None-Match", "")
        start: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None:
                await send(message)
                return
            begun, start = start, None
            whole = not message.get("more_body", False)
            body = message.get("body", b"")
            if begun["status"] == 200 and whole and len(body) <= WEAK_LIMIT:
                out = MutableHeaders(scope=begun)
                tag = out.get("ETag") or f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
                out["ETag"] = tag
                if _matches(offered, tag):
                    for name in ("Content-Length", "Content-Type"):
                        del out[name]
                    await send({**begun, "status": 304})
                    await send({"type": "http.response.body", "body": b""})
                    return
            await send(begun)
            await send(message)

        await self.app(scope, receive, send_tagged)


def _matches(offered: str, tag: str) -> bool:
    """Compare weakly (RFC 9110, section 8.8.3.2)."""
    bare = tag.removeprefix("W/")
    listed = (each.strip().removeprefix("W/") for each in offered.split(","))
    return offered.strip() == "*" or bare in listed


@dataclass(slots=True)
class _Kept:
    """The answer to a request: nothing yet while it is made."""

    digest: str
    since: float
    messages: list[Message] = field(default_factory=list)
    done: bool = False


class Once:
    """Does a POST with an Idempotency-Key once, and answers it as often as it comes.

    Args:
        app: What answers.
        clock: Tells when an answer is forgotten.
    """

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self.app = app
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        key = headers.get("Idempotency-Key", "")
        path = scope["path"] if key else ""
        if not key or scope["method"] != "POST" or path.startswith(NEVER) or path in UPLOADS:
            await self.app(scope, receive, send)
            return
        if len(key) > LONGEST_KEY:
            await self._refuse(422, f"an Idempotency-Key has at most {LONGEST_KEY} characters",
                               scope, receive, send)  # fmt: skip
            return
        body = await _whole(receive)
        digest = hashlib.sha256(body).hexdigest()
        name = _name(scope, headers, key)
        self._forget()
        kept = self._kept.get(name)
        if kept is None:
            await self._do(name, _Kept(digest, self._clock.monotonic()), scope, body, send)
        elif kept.digest != digest:
            text = "that Idempotency-Key was used for another request; take a new one"
            await self._refuse(422, text, scope, receive, send)
        elif not kept.done:
            text = "the request with that Idempotency-Key is still being answered"
            await self._refuse(409, text, scope, receive, send)
        else:
            for message in kept.messages:
                await send(dict(message))

    async def _do(self, name: str, kept: _Kept, scope: Scope, body: bytes, send: Send) -> None:
        self._kept[name] = kept
        size = 0

        async def send_kept(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            headers = list(message.get("headers", ()))  # Others add theirs to the one that is sent.
            kept.messages.append({**message, "headers": headers} if headers else message)
            await send(message)

        try:
            await self.app(scope, _replayed(body), send_kept)
            status = kept.messages[0]["status"] if kept.messages else 500
            # What failed was not done: it may be tried again.
            kept.done = status < 400 and size <= MAX_ANSWER
        finally:
            if not kept.done:
                self._kept.pop(name, None)

    def _forget(self) -> None:
        now = self._clock.monotonic()
        while self._kept:
            name, oldest = next(iter(self._kept.items()))
            if len(self._kept) <= MAX_KEYS and now - oldest.since <= KEPT_SECONDS:
                return
            del self._kept[name]

    @staticmethod
    async def _refuse(status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        error = ProblemError(status, text, kind="idempotency")
        response = problem_response(error, scope["state"].get("request_id", ""), scope["path"])
        await response(scope, receive, send)


def _name(scope: Scope, headers: Headers, key: str) -> str:
    """Return by what a request is known again: who asks, for what, with which key."""
    who = [headers.get(each, "") for each in ("Authorization", "X-Api-Key", "Cookie")]
    parts = [*who, headers.get("X-CSRF-Token", ""), scope["path"], key]
    query = scope.get("query_string", b"").decode("latin-1")
    return hashlib.sha256("\0".join([*parts, query]).encode("utf-8", "replace")).hexdigest()


async def _whole(receive: Receive) -> bytes:
    """Return the body of a request; its size is bounded already."""
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(pieces)


def _replayed(body: bytes) -> Receive:
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()  # Nobody hears that the client went away.
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
