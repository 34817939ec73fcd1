"""Coming in and going out: the login, and the one-time link by which the first user comes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from phage.access.errors import AccessError, LoginError, SecondFactorError, SlowDownError
from phage.access.users import FIRST
from phage.api.routes.session import begin
from phage.api.security import Asker, Public, address_of, cookie_name, needs
from phage.api.services import Served
from phage.web.render import bare_page, own_path

router = APIRouter(include_in_schema=False)

_PUBLIC = Depends(Public())

Word = Annotated[str, Form(max_length=1024)]


@router.get("/login", dependencies=[_PUBLIC])
def login(
    request: Request, services: Served, to: Annotated[str, Query(max_length=2048)] = "/"
) -> HTMLResponse:
    """Ask who comes."""
    return _asked(request, services, to)


@router.post("/login", dependencies=[_PUBLIC])
def log_in(
    request: Request,
    services: Served,
    user: Word,
    password: Word,
    code: Word = "",
    to: Word = "/",
) -> Response:
    """Let somebody in, or say that something is wrong and not what."""
    try:
        found = services.access.login.check(user, password, code, address_of(request))
    except SecondFactorError:
        return _asked(request, services, to, user=user, password=password, wants_code=True)
    except SlowDownError as error:
        return _asked(request, services, to, fault=str(error), user=user, status=429)
    except LoginError as error:
        services.access.audit.note(
            "nobody", "login failed", user[:64], f"from {address_of(request)}"
        )
        return _asked(
            request, services, to, fault=str(error), user=user, wants_code=bool(code), status=401
        )
    response = RedirectResponse(own_path(to), 303)
    begin(services, request, response, found.name)
    request.state.actor = f"user:{found.name}"
    return response


def _asked(
    request: Request,
    services: Served,
    to: str,
    *,
    fault: str = "",
    user: str = "",
    password: str = "",
    wants_code: bool = False,
    status: int = 200,
) -> HTMLResponse:
    return bare_page(
        request,
        "login.html",
        status,
        to=own_path(to),
        fault=fault,
        user=user,
        password=password,
        wants_code=wants_code,
        is_empty=services.access.users.is_empty(),
    )


@router.get("/welcome", dependencies=[_PUBLIC])
def welcome(
    request: Request, services: Served, link: Annotated[str, Query(max_length=256)] = ""
) -> HTMLResponse:
    """Ask who has a one-time link for a password. Looking at it does not use it up."""
    found = services.access.users.peek_link(link)
    if found is None:
        return bare_page(request, "welcome.html", 404, link="", user="", is_first=False, fault="")
    return bare_page(
        request,
        "welcome.html",
        link=link,
        user=found.username,
        is_first=services.access.users.is_empty() and found.username == FIRST,
        fault="",
    )


@router.post("/welcome", dependencies=[_PUBLIC])
def come_in(
    request: Request, services: Served, link: Word, password: Word, again: Word, user: Word = ""
) -> Response:
    """Set the password that a link allows, and let its holder in."""
    users = services.access.users
    try:
        if password != again:
            message = "the two passwords differ"
            raise AccessError(message)  # noqa: TRY301  One answer for all that is wrong.
        found = users.use_link(link, password, user)
    except AccessError as error:
        return bare_page(
            request,
            "welcome.html",
            422,
            link=link,
            user=user,
            is_first=users.is_empty(),
            fault=str(error),
        )
    services.access.sessions.end_all(found.name)
    response = RedirectResponse("/", 303)
    begin(services, request, response, found.name)
    request.state.actor = f"user:{found.name}"
    return response


@router.post("/logout", dependencies=[Depends(needs("account:write"))])
def log_out(services: Served, asker: Asker) -> Response:
    """End the session."""
    services.access.sessions.end(asker.session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(cookie_name(services), path="/")
    return response
