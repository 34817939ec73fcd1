"""Sensors that join: invited once, each with a token of its own, revoked at any time."""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from phage.access.roles import JOIN, SENSE
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.sensors import NAME, TAKING, Invitation, SensorRow, end, invite, sensor_rows
from phage.api.services import Served, Services, running
from phage.bus.codec import MessageError
from phage.errors import StateError

router = APIRouter(prefix="/api/v1/sensors", tags=["sensors"])

_JOINING = Lock()

SensorName = Annotated[str, Field(pattern=NAME, description="What it is called.")]


class InviteBody(BaseModel):
    """Who is invited."""

    name: SensorName


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
