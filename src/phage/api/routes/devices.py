"""Devices: who is on our networks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.security import needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.records.device import Device, DeviceSummary
from phage.store.repositories.devices import DeviceFilter

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])

_READ = Depends(needs("devices:read"))

DeviceLimit = Annotated[int, Query(ge=1, le=10_000, description="Rows of a page, at most.")]
"""Rows of devices are short: a large network is read at once."""

DeviceId = Annotated[
    str,
    Path(min_length=1, max_length=128, description="Its stable name, a MAC or an address."),
]


class DeviceRow(Row):
    """A device."""

    id: str = Field(description="Its stable name.")
    name: str = Field(description="The name to show.")
    mac: str
    ip: str
    vendor: str
    product: str
    category: str
    system: str
    labels: list[str]
    present: bool = Field(description="It is here now.")
    first_seen: str
    last_seen: str
    packets: int
    octets: int


def shape(device: Device | DeviceSummary) -> dict[str, Any]:
    """Return a device as it is answered."""
    return {
        "id": device.id,
        "name": device.shown,
        "mac": device.mac,
        "ip": device.ip,
        "vendor": device.vendor,
        "product": device.product,
        "category": device.category,
        "system": device.system,
        "labels": device.labels,
        "present": device.present,
        "first_seen": rfc3339(device.first_seen),
        "last_seen": rfc3339(device.last_seen),
        "packets": device.packets,
        "octets": device.octets,
    }


@router.get("", response_model=Page[DeviceRow], dependencies=[_READ])
def list_devices(
    services: Served,
    text: Annotated[
        str, Query(max_length=200, description="Words of its name, maker, kind or addresses.")
    ] = "",
    category: Annotated[str, Query(max_length=64, description="Only of this kind.")] = "",
    present: Annotated[bool | None, Query(description="Only those here, or away.")] = None,
    since: Moment = None,
    limit: DeviceLimit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:  # noqa: ANN401  As FastAPI takes it: the model is named above.
    """List devices, those seen last first."""
    after = Keys((str,)).read(cursor)
    wanted = DeviceFilter(
        text=text,
        category=category,
        present=present,
        since=moment(since, "since"),
        after=str(after[0]) if after else "",
    )
    with services.reading() as store:
        found = store.devices.search(wanted, limit + 1)
    return page_of(found, limit, lambda each: (each.id,), shape, fields)


@router.get("/{id}", response_model=DeviceRow, dependencies=[_READ])
def show_device(services: Served, id: DeviceId) -> Any:  # noqa: A002, ANN401  As in the path.
    """Show a device."""
    with services.reading() as store:
        device = store.devices.named([id, id.lower()]).get(id.lower())
    if device is None:
        message = f"there is no device {id!r}"
        raise ProblemError(404, message)
    return shape(device)
