"""Who asks, and whether he may: every route has exactly one guard, which names its permission."""

from __future__ import annotations

import base64
import hmac
import ipaddress
from functools import partial
from typing import TYPE_CHECKING, Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from phage.access.credentials import csrf_token, is_same
from phage.access.identity import Identity
from phage.access.roles import PERMISSIONS
from phage.api.problem import ProblemError

if TYPE_CHECKING:
    from phage.api.services import Services

COOKIE = "phage_session"
SECURE_COOKIE = "__Host-phage_session"
"""Over TLS: browsers take it from this very host only (RFC 6265bis, section 4.1.3.2)."""

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
"""Field of a form that carries the token where there is no script to set the header."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(services: Services) -> str:
    """Return the name of the session's cookie."""
    return SECURE_COOKIE if services.secure else COOKIE


def session_secret(request: Request) -> str:
    """Return the secret of the session that a browser shows; '' for none."""
    return request.cookies.get(cookie_name(request.app.state.services), "")


def address_of(request: Request) -> str:
    """Return the address from which is asked."""
    return request.client.host if request.client is not None else ""


def is_this_machine(request: Request) -> bool:
    """Tell whether this machine itself asks."""
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False


async def identify(request: Request, *, is_used: bool = True) -> Identity | None:
    """Return who asks, by token or session; None for nobody.

    `is_used=False` looks again at a request that lasts, without putting off its session's end.
    Raises ProblemError for a token that is not valid, and for a session whose request was made by
    no page of ours.
    """
    services: Services = request.app.state.services
    # Before anything is read: events from here on may tell of what an answer does not show.
    request.state.seen = services.events.last if services.events is not None else 0
    if token := _token(request):
        found = await run_sync(services.access.tokens.identify, token, address_of(request))
        if found is None:
            message = "that token is not valid: unknown, revoked or expired"
            raise _unauthorized(message)
    else:
        secret = session_secret(request)
        look = partial(services.access.sessions.identify, is_used=is_used)
        found = await run_sync(look, secret) if secret else None
        if found is not None and request.method not in SAFE:
            await _check_csrf(request, secret)
    request.state.identity = found
    return found


def _token(request: Request) -> str:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic":  # As TAXII clients show it, under any name.
        return _password(given.strip())
    # The latter as clients of VirusTotal's API write it.
    return request.headers.get("X-Api-Key", "") or request.headers.get("X-Apikey", "")


def _password(given: str) -> str:
    """Return the password of HTTP basic authentication (RFC 7617); '' for what is none."""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


async def _check_csrf(request: Request, secret: str) -> None:
    offered = request.headers.get(CSRF_HEADER, "")
    form = request.headers.get("Content-Type", "").partition(";")[0].strip()
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if not offered and form == "application/x-www-form-urlencoded":
        offered = str((await request.form()).get(CSRF_FIELD, ""))
    if not offered and form == "multipart/form-data" and request.url.path in FORMS_WITH_FILES:
        request.state.csrf_of = secret  # Read with the form, before its file.
        offered = csrf_token(secret)
    if site not in {"same-origin", "none"} or not is_same(offered, csrf_token(secret)):
        message = f"the header {CSRF_HEADER} is missing or wrong; GET /api/v1/session tells it"
        raise ProblemError(403, message, kind="csrf")


FORMS_WITH_FILES = frozenset({"/files"})
"""Pages whose forms carry a file; `phage.api.uploads` reads these, and checks their token."""


def needs_csrf(request: Request) -> str:
    """Return the secret of the session whose token a form with a file has to carry; '' for none."""
    return str(getattr(request.state, "csrf_of", ""))


def _unauthorized(detail: str = "log in, or show a token") -> ProblemError:
    return ProblemError(401, detail, kind="login", headers={"WWW-Authenticate": "Bearer"})


class Guard:
    """Lets a request pass if who asks has a permission."""

    def __init__(self, permission: str) -> None:
        if permission not in PERMISSIONS:
            message = f"there is no permission {permission!r} in phage.access.roles"
            raise ValueError(message)
        self.permission = permission

    async def __call__(self, request: Request) -> Identity:
        """Return who asks. Raises ProblemError."""
        identity = await identify(request)
        if identity is None:
            raise _unauthorized()
        if not identity.may(self.permission):
            message = f"{identity.user} may not {self.permission}"
            raise ProblemError(403, message, kind="permission")
        return identity


class Public:
    """Lets every request pass; who asks may be nobody."""

    permission = ""

    async def __call__(self) -> None:
        """Return at once."""


def needs(permission: str) -> Guard:
    """Return the guard of a route: `dependencies=[Depends(needs("findings:read"))]`."""
    return Guard(permission)


def guards_of(route: object) -> list[Guard | Public]:
    """Return the guards of a route."""
    dependant = getattr(route, "dependant", None)
    found: list[Guard | Public] = []
    waiting = list(dependant.dependencies) if dependant is not None else []
    while waiting:
        each = waiting.pop()
        if isinstance(each.call, Guard | Public):
            found.append(each.call)
        waiting += each.dependencies
    return found


def is_metrics_token(services: Services, authorization: str) -> bool:
    """Tell whether an Authorization header carries the token of /metrics."""
    scheme, _, given = authorization.partition(" ")
    offered = given.strip().encode("utf-8", "replace")
    token = services.metrics_token.encode()
    return scheme.lower() == "bearer" and bool(token) and hmac.compare_digest(offered, token)


async def _identity(request: Request) -> Identity:
    found: Identity | None = request.state.identity
    if found is None:
        raise _unauthorized()
    return found


Asker = Annotated[Identity, Depends(_identity)]
"""Who asks, as an argument of a route that has a guard."""
