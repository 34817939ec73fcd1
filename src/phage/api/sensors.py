"""Sensors as routes and pages show, invite and revoke them; how much they may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from phage.access.roles import JOIN
from phage.access.sensors import (
    INVITED_SECONDS,
    STANDING,
    invitation_text,
    sensors,
    state_of,
)
from phage.api.problem import ProblemError
from phage.api.services import running
from phage.clock import rfc3339

if TYPE_CHECKING:
    from phage.api.services import Services

MAX_WINDOW = 16 << 20
"""Octets of a window; one at its bounds has some ten million."""

WINDOWS = "/api/v1/sensors/windows"

MAX_MODEL = 64 << 20
"""Octets of a model; those of a busy network have some ten million."""

MODELS = "/api/v1/sensors/models"

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

TAKING = "what takes windows of sensors (bus.sensors)"


class SensorRow(BaseModel):
    """A sensor."""

    name: str
    state: str = Field(description="invited, joined, expired or revoked.")
    since: str
    last_seen: str = Field(description="When a window came; empty for never since the start.")
    address: str = Field(description="From where it was heard last.")
    windows: int = Field(description="Windows since phage was started.")
    refused: int = Field(description="Windows that could not be read.")


class Invitation(BaseModel):
    """What the sensor shows to join, once and within an hour."""

    name: str
    token: str
    expires: str


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
