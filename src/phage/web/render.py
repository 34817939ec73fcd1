"""Pages from templates. Everything that is shown is escaped; nothing in a page is a script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from phage.access.credentials import csrf_token
from phage.api.security import session_secret
from phage.api.shapes import protocol_name
from phage.frozen import frozen
from phage.records import FindingState, Severity
from phage.store.repositories.findings import FindingFilter
from phage.telemetry.drops import meaning
from phage.web import assets, figures

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from phage.access.identity import Identity
    from phage.api.services import Services

SAID = "phage_said"
"""Cookie with what the last change did, until the next page tells it."""

LONGEST_SAID = 500

SEVERITIES = tuple(str(each) for each in reversed(Severity))


@frozen
class Place:
    """An entry of the menu: where it leads, and what one needs to be allowed there."""

    path: str
    name: str
    icon: str
    permission: str


MENU: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "Watch",
        (
            Place("/", "Overview", "overview", "status:read"),
            Place("/devices", "Devices", "devices", "devices:read"),
            Place("/traffic", "Traffic", "traffic", "flows:read"),
            Place("/ddos", "DDoS", "ddos", "findings:read"),
        ),
    ),
    (
        "Judge",
        (
            Place("/findings", "Findings", "findings", "findings:read"),
            Place("/decisions", "Decisions", "decisions", "decisions:read"),
            Place("/rules", "Rules", "rules", "rules:read"),
            Place("/feeds", "Threat feeds", "feeds", "feeds:read"),
            Place("/files", "Files", "files", "samples:read"),
        ),
    ),
    (
        "Keep",
        (
            Place("/settings", "Settings", "settings", "config:read"),
            Place("/channels", "Notifications", "bell", "config:read"),
            Place("/sensors", "Sensors", "devices", "sensors:read"),
            Place("/users", "Users", "users", "users:read"),
            Place("/audit", "Audit", "audit", "audit:read"),
            Place("/help", "Help", "help", "status:read"),
        ),
    ),
)


@cache
def environment() -> Environment:
    """Return where templates come from, with the filters that they use."""
    made = Environment(
        loader=PackageLoader("phage.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "ago": figures.ago,
        "bits": figures.bits,
        "count": figures.count,
        "drop_meaning": meaning,
        "host": figures.host_of,
        "hour": figures.hour,
        "joined": figures.joined,
        "octets": figures.octets,
        "protocol": protocol_name,
        "short": figures.short,
        "span": figures.span,
        "stamp": figures.stamp,
    }
    made.globals |= {"asset": assets.address_of, "severities": SEVERITIES}
    return made


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page for who is logged in: with the menu, and what the last change did."""
    services: Services = request.app.state.services
    identity: Identity = request.state.identity
    said, is_bad = _said(request)
    menu = [
        (heading, [place for place in places if identity.may(place.permission)])
        for heading, places in MENU
    ]
    waiting = _waiting(services) if identity.may("findings:read") else 0
    response = bare_page(
        request,
        template,
        status,
        me=identity,
        csrf=csrf_token(session_secret(request)),
        menu=[(heading, places) for heading, places in menu if places],
        waiting=waiting,
        now=services.clock.now(),
        seen=request.state.seen,
        said=said,
        said_is_bad=is_bad,
        **values,
    )
    if said:
        response.delete_cookie(SAID, path="/")
    return response


def _waiting(services: Services) -> int:
    with services.reading() as store:
        return store.findings.count(
            FindingFilter(state=FindingState.OPEN, severity=Severity.MEDIUM)
        )


def bare_page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page without menu, as the login."""
    path = request.url.path
    text = environment().get_template(template).render(path=path, **values)
    return HTMLResponse(text, status)


def back(request: Request, to: str, said: str, *, bad: bool = False) -> Response:
    """Lead to a page after a change, which tells what was done."""
    response = RedirectResponse(to, 303)
    services: Services = request.app.state.services
    response.set_cookie(
        SAID,
        ("-" if bad else "+") + quote(said[:LONGEST_SAID]),
        max_age=60,
        path="/",
        secure=services.secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _said(request: Request) -> tuple[str, bool]:
    raw = request.cookies.get(SAID, "")
    return unquote(raw[1:])[:LONGEST_SAID], raw.startswith("-")


def own_path(wanted: str, default: str = "/") -> str:
    """Return a path of ours to go back to; what could lead elsewhere becomes the default."""
    parts = urlsplit(wanted)
    safe = wanted.startswith("/") and wanted[1:2] not in {"/", "\\"}
    if not safe or parts.scheme or parts.netloc or not wanted.isprintable() or "\\" in wanted:
        return default
    return wanted
