"""Users and tokens, and one's own account: password, second factor, sessions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from phage.access.roles import Role
from phage.access.totp import new_totp_secret, totp_uri
from phage.api.problem import ProblemError
from phage.api.routes.push import forget_browser
from phage.api.security import Asker, address_of, needs
from phage.api.services import Served, running
from phage.errors import PhageError
from phage.web.figures import count
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)

Word = Annotated[str, Form(max_length=1024)]
Name = Annotated[str, Form(max_length=64)]
SCOPES = ("*:read", "findings:*", "decisions:*", "samples:*", "bouncer:read", "metrics:read", "*")
"""Offered for tokens; the command line knows them all."""


@router.get("/users", dependencies=[Depends(needs("users:read"))])
def users(request: Request, services: Served, asker: Asker) -> HTMLResponse:
    """List users, and all tokens for who may see them."""
    return _users(request, services, asker)


def _users(request: Request, services: Served, asker: Asker, **values: Any) -> HTMLResponse:
    fields: dict[str, Any] = {"link": "", "link_of": ""}
    tokens = services.access.tokens.list() if asker.may("tokens:read") else []
    return page(
        request,
        "users.html",
        users=services.access.users.list(),
        roles=[str(role) for role in Role],
        tokens=tokens,
        **{**fields, **values},
    )


@router.post("/users", dependencies=[Depends(needs("users:write"))])
def change_user(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["add", "role", "remove", "link", "factor"], Form()],
    name: Name,
    role: Annotated[Role, Form()] = Role.VIEWER,
) -> Response:
    """Add, change or remove a user, or make a link by which he sets his password."""
    own = services.access.users
    try:
        if act == "add":
            own.add(name, role)
        elif act == "role":
            own.set_role(name, role)
        elif act == "factor":
            own.clear_totp(name)
        elif act == "remove":
            own.remove(name)
        request.state.audit = f"{act} {name}" + (f" as {role}" if act in {"add", "role"} else "")
        if act in {"add", "link"}:
            place = f"{request.url.scheme}://{request.url.netloc}"
            found = own.get(name)
            link = f"{place}/welcome?link={own.make_link(found.name, Role(found.role))}"
            return _users(request, services, asker, link=link, link_of=found.name)
    except PhageError as error:
        return back(request, "/users", str(error), bad=True)
    return back(request, "/users", f"{name}: done.")


@router.get("/account", dependencies=[Depends(needs("account:read"))])
def account(request: Request, services: Served, asker: Asker) -> HTMLResponse:
    """Show one's own account."""
    return _account(request, services, asker)


def _account(request: Request, services: Served, asker: Asker, **values: Any) -> HTMLResponse:
    fields: dict[str, Any] = {"secret": "", "uri": "", "token": ""}
    return page(
        request,
        "account.html",
        user=services.access.users.get(asker.user),
        sessions=services.access.sessions.of(asker.user),
        tokens=services.access.tokens.list(asker.user),
        browsers=services.writing.browsers.list(asker.user),
        scopes=SCOPES,
        **{**fields, **values},
    )


@router.post("/account", dependencies=[Depends(needs("account:write"))])
def change_account(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["password", "offer", "factor", "no-factor", "others"], Form()],
    old: Word = "",
    new: Word = "",
    again: Word = "",
    secret: Annotated[str, Form(max_length=64)] = "",
    code: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Change one's own password or second factor, or end one's other sessions."""
    _in_session(asker)
    own, user = services.access, asker.user
    request.state.audit = act
    try:
        if act == "offer":
            request.state.unaudited = True
            offered = new_totp_secret()
            return _account(request, services, asker, secret=offered, uri=totp_uri(offered, user))
        if act == "factor":
            own.users.set_totp(user, secret, code)
            return back(request, "/account", "The second factor is on.")
        if act in {"password", "no-factor"}:
            own.login.confirm(user, old, address_of(request))
        if act == "no-factor":
            own.users.clear_totp(user)
            return back(request, "/account", "The second factor is off.")
        if act == "password":
            if new != again:
                return back(request, "/account", "The two new passwords differ.", bad=True)
            own.users.set_password(user, new)
        own.sessions.end_all(user, but=asker.session)
    except PhageError as error:
        return back(request, "/account", str(error), bad=True)
    return back(request, "/account", "Done; your other sessions have ended.")


@router.post("/account/tokens", dependencies=[Depends(needs("account:write"))])
def change_tokens(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["add", "revoke"], Form()],
    name: Name = "",
    scope: Annotated[str, Form(max_length=200)] = "*:read",
    days: Annotated[int, Form(ge=0, le=3650)] = 90,
    id: Annotated[str, Form(max_length=32)] = "",  # noqa: A002  The field's name.
) -> Response:
    """Create a token of one's own, shown once, or revoke one."""
    _in_session(asker)
    tokens = services.access.tokens
    if act == "revoke":
        mine = tokens.get(id).username == asker.user
        if not mine and not asker.may("tokens:write"):
            message = "that token is another user's"
            raise ProblemError(403, message)
        tokens.revoke(id)
        request.state.audit = f"revoked token {id}"
        to = "/account" if mine else "/users"
        return back(request, to, "Revoked: it is good for nothing now.")
    try:
        made, secret = tokens.create(asker.user, name, scope.split(), days * 86_400.0)
    except PhageError as error:
        return back(request, "/account", str(error), bad=True)
    request.state.audit = f"token {made.id}: {' '.join(made.scopes)}"
    return _account(request, services, asker, token=secret)


@router.post("/account/browsers", dependencies=[Depends(needs("account:write"))])
def change_browsers(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["test", "remove"], Form()],
    id: Annotated[str, Form(max_length=16)] = "",  # noqa: A002  The field's name.
) -> Response:
    """Tell one's own browsers that this is a test, or one of them no more."""
    _in_session(asker)
    try:
        if act == "remove":
            forget_browser(services, asker, id)
            request.state.audit = f"browser {id}"
            return back(request, "/account", "That browser is told no more.")
        request.state.unaudited = True
        told = running(services.push, "Web Push").test(asker.user)
    except PhageError as error:
        return back(request, "/account", str(error), bad=True)
    return back(request, "/account", f"Sent to {count(told, 'browser')}.")


def _in_session(asker: Asker) -> None:
    """Raise ProblemError for a token: what makes a login is changed by who logged in."""
    if not asker.session:
        message = "a token cannot change how its owner logs in"
        raise ProblemError(403, message, kind="permission")
