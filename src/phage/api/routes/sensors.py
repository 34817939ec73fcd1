"""Sensors that join: invited once, each with a token of its own, revoked at any time."""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from phage.access.roles import JOIN, SENSE
from phage.access.sensors import (
    INVITED_SECONDS,
    STANDING,
    invitation_text,
    sensors,
    state_of,
)
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.bus.codec import MessageError
from phage.clock import rfc3339
from phage.errors import StateError

router = APIRouter(prefix="/api/v1/sensors", tags=["sensors"])

MAX_WINDOW = 16 << 20
"""Octets of a window; one at its bounds has some ten million."""

WINDOWS = "/api/v1/sensors/windows"

MAX_MODEL = 64 << 20
"""Octets of a model; those of a busy network have some ten million."""

MODELS = "/api/v1/sensors/models"

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_JOINING = Lock()

SensorName = Annotated[str, Field(pattern=NAME, description="What it is called.")]


class SensorRow(BaseModel):
    """A sensor."""

    name: str
    state: str = Field(description="invited, joined, expired or revoked.")
    since: str
    last_seen: str = Field(description="When a window came; empty for never since the start.")
    address: str = Field(description="From where it was heard last.")
    windows: int = Field(description="Windows since phage was started.")
    refused: int = Field(description="Windows that could not be read.")


class InviteBody(BaseModel):
    """Who is invited."""

    name: SensorName


class Invitation(BaseModel):
    """What the sensor shows to join, once and within an hour."""

    name: str
    token: str
    expires: str


class SensorIdentity(BaseModel):
    """What a sensor is known by from now on. It is told once."""

    name: str
    token: str


class AdviceRow(BaseModel):
    """What a sensor is to do with what it learned of a device."""

    verb: str = Field(description="distrust or excuse.")
    mac: int
    address: str = Field(description="16 octets in hexadecimal, IPv4 mapped.")
    since: int
    until: int


class Taken(BaseModel):
    """A window was taken."""

    advice: list[AdviceRow]


TAKING = "what takes windows of sensors (bus.sensors)"


def sensor_rows(services: Services) -> list[SensorRow]:
    """Return sensors as they are shown."""
    heard = services.sensors.heard() if services.sensors is not None else {}
    rows = []
    for token in sensors(services.access.tokens.list()):
        live = heard.get(token.name)
        rows.append(
            SensorRow(
                name=token.name,
                state=state_of(token, services.clock.now()),
                since=rfc3339(token.created),
                last_seen=rfc3339(live.last) if live is not None and live.last else "",
                address=token.last_address,
                windows=live.windows if live is not None else 0,
                refused=live.refused if live is not None else 0,
            )
        )
    return rows


def invite(services: Services, user: str, name: str) -> Invitation:
    """Invite a sensor in a user's name. Raises ProblemError, AccessError."""
    running(services.sensors, TAKING)
    now = services.clock.now()
    known = sensors(services.access.tokens.list())
    if any(each.name == name and state_of(each, now) in STANDING for each in known):
        message = f"there is a sensor {name!r} already; revoke it first"
        raise ProblemError(409, message, kind="conflict")
    token, secret = services.access.tokens.create(user, name, (JOIN,), INVITED_SECONDS)
    text = invitation_text(secret, services.fingerprint)
    return Invitation(name=name, token=text, expires=rfc3339(token.expires))


def end(services: Services, name: str) -> bool:
    """Revoke a sensor or an invitation; tell whether there was one."""
    known = sensors(services.access.tokens.list())
    found = [each for each in known if each.name == name and not each.revoked]
    for token in found:
        services.access.tokens.revoke(token.id)
    if services.sensors is not None:
        services.sensors.forget(name)
    return bool(found)


@router.get("", dependencies=[Depends(needs("sensors:read"))])
def list_sensors(services: Served) -> list[SensorRow]:
    """List sensors, those that joined last first."""
    return sensor_rows(services)


@router.post("", status_code=201, dependencies=[Depends(needs("sensors:write"))])
def invite_sensor(body: InviteBody, request: Request, services: Served, asker: Asker) -> Invitation:
    """Invite a sensor: `phage sensor --join URL TOKEN` there makes it one."""
    made = invite(services, asker.user, body.name)
    request.state.audit = f"sensor {body.name}"
    return made


@router.delete("/{name}", status_code=204, dependencies=[Depends(needs("sensors:write"))])
def revoke_sensor(
    name: Annotated[str, Path(pattern=NAME)], request: Request, services: Served
) -> Response:
    """Revoke a sensor or an invitation at once: nothing of it is taken any more."""
    if not end(services, name):
        raise ProblemError(404, f"there is no sensor {name!r}", kind="not-found")
    request.state.audit = f"sensor {name}"
    return Response(status_code=204)


@router.post("/join", status_code=201, dependencies=[Depends(needs(JOIN))])
def join(request: Request, services: Served, asker: Asker) -> SensorIdentity:
    """Join by an invitation, which is used up; the answer is the sensor's own token."""
    own = services.access.tokens
    with _JOINING:  # Of two who show it at once one joins.
        invitation = own.get(asker.token) if asker.token else None
        if invitation is None or invitation.scopes != (JOIN,) or invitation.revoked:
            raise ProblemError(403, "only an invitation joins, and once", kind="invitation")
        own.revoke(invitation.id)
    _, secret = own.create(asker.user, invitation.name, (SENSE,))
    request.state.audit = f"sensor {invitation.name}"
    return SensorIdentity(name=invitation.name, token=secret)


def _sensor(services: Services, asker: Asker) -> str:
    """Return the name of the sensor that asks. Raises ProblemError where none does."""
    token = services.access.tokens.get(asker.token) if asker.token else None
    if token is None or token.scopes != (SENSE,):
        raise ProblemError(403, "only a sensor that joined may do this", kind="sensor")
    return token.name


@router.post("/windows", dependencies=[Depends(needs(SENSE))])
async def take_window(request: Request, services: Served, asker: Asker) -> Taken:
    """Take a window that a sensor counted, in the form in which it goes over the bus."""
    taking = running(services.sensors, TAKING)
    name = await run_sync(_sensor, services, asker)
    request.state.unaudited = True
    body = await request.body()
    try:
        advice = await run_sync(taking.take, name, body)
    except MessageError as error:
        raise ProblemError(422, str(error)) from error
    return Taken(
        advice=[
            AdviceRow(
                verb=each.verb,
                mac=each.mac,
                address=each.address.hex(),
                since=each.since,
                until=each.until,
            )
            for each in advice
        ]
    )


ModelName = Annotated[str, Query(min_length=1, max_length=128, description="Which model.")]


@router.post("/models", status_code=204, dependencies=[Depends(needs(SENSE))])
async def keep_model(name: ModelName, request: Request, services: Served, asker: Asker) -> Response:
    """Keep what a sensor learned, in the form in which it saves it: with version and checksum."""
    models = running(services.models, TAKING)
    sensor = await run_sync(_sensor, services, asker)
    request.state.unaudited = True
    body = await request.body()
    try:
        await run_sync(models.keep, sensor, name, body)
    except StateError as error:
        raise ProblemError(422, str(error)) from error
    return Response(status_code=204)


@router.get(
    "/models",
    dependencies=[Depends(needs(SENSE))],
    response_class=Response,
    responses={204: {"description": "Nothing is kept."}},
)
def kept_model(name: ModelName, services: Served, asker: Asker) -> Response:
    """Give a sensor back what it learned; nothing where nothing is kept of it."""
    models = running(services.models, TAKING)
    try:
        octets = models.kept(_sensor(services, asker), name)
    except StateError as error:
        raise ProblemError(422, str(error)) from error
    return Response(octets, 200 if octets else 204, media_type="application/octet-stream")
