"""Histories and manufacturers: what happened to devices, and who made them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from phage.api.deviceshapes import alerts_shape, event_shape
from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.devices.alerts import DEVIATION, alert_rate

router = APIRouter(prefix="/api/v1", tags=["devices"])

_READ = Depends(needs("devices:read"))
_KEYS = Keys((int, str, str, str))

MAX_MANUFACTURERS = 10_000
MAX_ALERTS = 1000


class HistoryRow(Row):
    """Something that happened to a device."""

    id: str = Field(description="The device, when and what.")
    at: str
    device: str
    what: str = Field(description='"new", "back", "away", "renamed", "joined", "fenced in", ...')
    by: str
    detail: str


class Manufacturer(BaseModel):
    """Who made devices of ours."""

    name: str = Field(description="Empty: devices whose maker is unknown.")
    devices: int
    present: int = Field(description="Those of them that are here now.")


@router.get("/histories", response_model=Page[HistoryRow], dependencies=[_READ])
def list_histories(
    services: Served,
    device: Annotated[str, Query(max_length=128, description="Only of this device.")] = "",
    since: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List what happened to devices, the latest first."""
    with services.reading() as store:
        named = store.devices.named([device.lower()]).get(device.lower()) if device else None
        found = store.devices.events(
            named.id if named is not None else device,
            moment(since, "since"),
            limit + 1,
            _KEYS.read(cursor),
        )
    return page_of(
        found,
        limit,
        lambda each: (each.at, each.device, each.what, each.detail),
        lambda each: {"id": f"{each.device} {each.at} {each.what}", **event_shape(each)},
        fields,
    )


class AlertRow(BaseModel):
    """How many findings there were of a device."""

    device: str = Field(description="Its id, or an address of somebody else's.")
    name: str
    alerts: int


class Alerts(BaseModel):
    """How often devices make phage tell something."""

    detector: str
    days: int
    alerts: int
    devices: int
    per_device_and_week: float = Field(description="Over the time for which each was known.")
    by_device: list[AlertRow] = Field(description="Those that have any, the most first.")


@router.get("/alerts", response_model=Alerts, dependencies=[Depends(needs("findings:read"))])
def count_alerts(
    services: Served,
    asker: Asker,
    detector: Annotated[str, Query(max_length=64, pattern="^[a-z0-9_]+$")] = DEVIATION,
    days: Annotated[int, Query(ge=1, le=90)] = 7,
) -> Any:
    """Count findings of a detector per device and week."""
    with services.reading() as store:
        found = alert_rate(store, services.clock.now(), days, detector)
        known = {}
        if asker.may("devices:read"):
            known = store.devices.named([device for device, _ in found.by_device[:MAX_ALERTS]])
    return alerts_shape(found, known, detector, days)


@router.get("/manufacturers", dependencies=[_READ])
def list_manufacturers(services: Served) -> list[Manufacturer]:
    """List who made devices of ours, the one of most devices first."""
    with services.reading() as store:
        found = store.devices.vendors(MAX_MANUFACTURERS)
    return [
        Manufacturer(name=name, devices=devices, present=present)
        for name, devices, present in found
    ]
