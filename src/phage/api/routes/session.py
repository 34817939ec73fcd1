"""Logging in and out, and one's own password and second factor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from phage.access.credentials import csrf_token
from phage.access.errors import LoginError
from phage.access.identity import Identity
from phage.access.passwords import LONGEST as LONGEST_PASSWORD
from phage.access.roles import Role
from phage.access.totp import new_totp_secret, totp_uri
from phage.api.problem import ProblemError
from phage.api.security import (
    Asker,
    Public,
    address_of,
    cookie_name,
    needs,
    session_secret,
)
from phage.api.services import Served, Services
from phage.clock import rfc3339

router = APIRouter(prefix="/api/v1/session", tags=["session"])

_OWN = needs("account:read")
_CHANGE = needs("account:write")

Name = Annotated[str, Field(min_length=1, max_length=64)]
Password = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)]
Code = Annotated[str, Field(max_length=16, description="Code of the second factor, if there is.")]


class SessionInfo(BaseModel):
    """Who is logged in."""

    user: str = Field(description="His name.")
    role: Role = Field(description="What he is.")
    permissions: list[str] = Field(description="What he may, as NOUN:VERB.")
    csrf: str = Field(description="What X-CSRF-Token must carry; empty for a token.")
    second_factor: bool = Field(description="He has a second factor.")


class LoginBody(BaseModel):
    """Name, password and code."""

    user: Name
    password: Password
    code: Code = ""


class LinkBody(BaseModel):
    """The secret of a one-time link, and the password that is to be set by it."""

    link: Annotated[str, Field(min_length=1, max_length=512)]
    password: Password
    user: Annotated[str, Field(max_length=64, description="Another name for the first user.")] = ""


class PasswordBody(BaseModel):
    """The old password and the new one."""

    old: Password
    new: Password


class SecondFactorBody(BaseModel):
    """The secret that was offered, and a code that proves that the phone has it."""

    secret: Annotated[str, Field(min_length=16, max_length=128, pattern="^[A-Z2-7]+$")]
    code: Annotated[str, Field(min_length=6, max_length=16)]


class SecondFactorOffer(BaseModel):
    """A new secret for the second factor; nothing changes until a code confirms it."""

    secret: str
    uri: str = Field(description="What a phone reads from a QR code.")


class SessionRow(BaseModel):
    """One session of one's own."""

    created: str
    last_used: str
    address: str
    agent: str
    current: bool = Field(description="It is the one that asks.")


def begin(services: Services, request: Request, response: Response, user: str) -> str:
    """Begin a session and hand its secret to the browser; return the secret."""
    agent = request.headers.get("User-Agent", "")
    former = session_secret(request)
    secret = services.access.sessions.begin(user, address_of(request), agent, former)
    response.set_cookie(
        cookie_name(services),
        secret,
        max_age=int(services.access.sessions.longest),
        path="/",
        secure=services.secure,
        httponly=True,
        samesite="strict",
    )
    return secret


def _info(services: Services, identity: Identity, secret: str) -> SessionInfo:
    user = services.access.users.get(identity.user)
    return SessionInfo(
        user=identity.user,
        role=identity.role,
        permissions=sorted(identity.permissions),
        csrf=csrf_token(secret) if identity.session else "",
        second_factor=bool(user.totp),
    )


def _begun(services: Services, request: Request, response: Response, user: str) -> SessionInfo:
    secret = begin(services, request, response, user)
    identity = services.access.sessions.identify(secret)
    if identity is None:
        message = "the session ended as it began; try again"
        raise ProblemError(503, message)
    request.state.actor = identity.name
    return _info(services, identity, secret)


@router.post("", dependencies=[Depends(Public())])
def log_in(body: LoginBody, request: Request, response: Response, services: Served) -> SessionInfo:
    """Log in: begin a session, whose secret comes as a cookie."""
    try:
        user = services.access.login.check(body.user, body.password, body.code, address_of(request))
    except LoginError as error:
        if type(error) is LoginError:
            name = body.user[:64]
            services.access.audit.note(
                "nobody", "login failed", name, f"from {address_of(request)}"
            )
        raise
    return _begun(services, request, response, user.name)


@router.post("/link", dependencies=[Depends(Public())])
def use_link(body: LinkBody, request: Request, response: Response, services: Served) -> SessionInfo:
    """Set a password by a one-time link, and log in."""
    user = services.access.users.use_link(body.link, body.password, body.user)
    services.access.sessions.end_all(user.name)
    return _begun(services, request, response, user.name)


@router.get("", dependencies=[Depends(_OWN)])
def who_am_i(request: Request, services: Served, asker: Asker) -> SessionInfo:
    """Tell who is logged in, and what he may."""
    return _info(services, asker, session_secret(request))


@router.delete("", status_code=204, dependencies=[Depends(_CHANGE)])
def log_out(response: Response, services: Served, asker: Asker) -> None:
    """Log out: end the session."""
    services.access.sessions.end(asker.session)
    response.delete_cookie(cookie_name(services), path="/")


@router.get("/all", dependencies=[Depends(_OWN)])
def my_sessions(services: Served, asker: Asker) -> list[SessionRow]:
    """List one's own sessions, those used last first."""
    return [
        SessionRow(
            created=rfc3339(each.created),
            last_used=rfc3339(each.last_used),
            address=each.address,
            agent=each.agent,
            current=each.digest == asker.session,
        )
        for each in services.access.sessions.of(asker.user)
    ]


@router.delete("/others", status_code=204, dependencies=[Depends(_CHANGE)])
def end_others(services: Served, asker: Asker) -> None:
    """End all one's own sessions but this."""
    services.access.sessions.end_all(asker.user, but=asker.session)


@router.put("/password", status_code=204, dependencies=[Depends(_CHANGE)])
def change_password(body: PasswordBody, request: Request, services: Served, asker: Asker) -> None:
    """Change one's own password; one's other sessions end."""
    _in_session(asker)
    services.access.login.confirm(asker.user, body.old, address_of(request))
    services.access.users.set_password(asker.user, body.new)
    services.access.sessions.end_all(asker.user, but=asker.session)


@router.post("/second-factor", dependencies=[Depends(_CHANGE)])
def offer_second_factor(asker: Asker) -> SecondFactorOffer:
    """Offer a secret for the second factor."""
    _in_session(asker)
    secret = new_totp_secret()
    return SecondFactorOffer(secret=secret, uri=totp_uri(secret, asker.user))


@router.put("/second-factor", status_code=204, dependencies=[Depends(_CHANGE)])
def turn_second_factor_on(body: SecondFactorBody, services: Served, asker: Asker) -> None:
    """Turn the second factor on."""
    _in_session(asker)
    services.access.users.set_totp(asker.user, body.secret, body.code)


@router.post("/second-factor/off", status_code=204, dependencies=[Depends(_CHANGE)])
def turn_second_factor_off(
    body: LoginBody, request: Request, services: Served, asker: Asker
) -> None:
    """Turn the second factor off; needs name, password and code once more."""
    _in_session(asker)
    if body.user.strip().lower() != asker.user:
        message = "that is another user's name"
        raise ProblemError(422, message)
    services.access.login.check(body.user, body.password, body.code, address_of(request))
    services.access.users.clear_totp(asker.user)


def _in_session(asker: Identity) -> None:
    """Raise ProblemError for a token: what makes a login is changed by who logged in."""
    if not asker.session:
        message = "a token cannot change how its owner logs in; log in to do that"
        raise ProblemError(403, message, kind="session-only")
