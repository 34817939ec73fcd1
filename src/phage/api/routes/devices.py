"""Devices: who is on our networks, and what people say of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from phage.api.deviceshapes import evidence_shape
from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.records.device import CONCLUDED, Device, DeviceSummary
from phage.store.repositories.devices import DeviceFilter

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])

_READ = Depends(needs("devices:read"))
_WRITE = Depends(needs("devices:write"))

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


class GuessRow(BaseModel):
    """What is concluded of one attribute."""

    value: str = Field(description="Empty where it is unknown; twins are joined by a slash.")
    confidence: float
    why: list[str] = Field(description="The evidence, the strongest first.")
    rivals: list[dict[str, str | float]] = Field(description="What else something speaks for.")


class WholeDevice(DeviceRow):
    """A device with all that is known of it."""

    given_name: str = Field(description="The name that a person gave it; empty for none.")
    kind: str = Field(description="The kind that it behaves like, of those that were learned.")
    vlan: int
    guesses: dict[str, GuessRow] = Field(description="What is concluded, by attribute.")
    given: dict[str, str] = Field(description="A person's word on attributes.")
    traits: list[dict[str, str | float]] = Field(description="What identifiers made of it.")
    marks: list[dict[str, str]] = Field(description="By what it is known again.")
    joins: list[dict[str, str | float]] = Field(description="MAC addresses held to be its own.")
    apart: list[str] = Field(description="MAC addresses that are another's.")
    seen: dict[str, list[dict[str, str]]] = Field(description="Its addresses, with their times.")


Word = Annotated[str, Field(max_length=64)]


class DeviceChanges(BaseModel):
    """What a person says of a device; what is left out stays, an empty value is taken back."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str | None, Field(max_length=80)] = None
    labels: Annotated[list[Word] | None, Field(max_length=32, description="All of them.")] = None
    vendor: Annotated[str | None, Field(max_length=128)] = None
    product: Annotated[str | None, Field(max_length=128)] = None
    category: Annotated[str | None, Field(max_length=64)] = None
    system: Annotated[str | None, Field(max_length=128)] = None
    kind: Annotated[str | None, Field(max_length=128)] = None


class Others(BaseModel):
    """Devices that are another one."""

    others: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]],
                      Field(min_length=1, max_length=32)]  # fmt: skip


class Mac(BaseModel):
    """A MAC address of a device."""

    mac: Annotated[str, Field(min_length=1, max_length=32)]


class Edited(BaseModel):
    """Which device was changed."""

    device: str = Field(description="Its id.")


def found_device(services: Served, id: DeviceId) -> Device:
    """Return a device by id, MAC address or address. Raises ProblemError."""
    with services.reading() as store:
        device = store.devices.named([id, id.lower()]).get(id.lower())
    if device is None:
        message = f"there is no device {id!r}"
        raise ProblemError(404, message)
    return device


FoundDevice = Annotated[Device, Depends(found_device)]
"""The device that the path names."""


def steering(verb: str) -> Callable[..., Callable[..., Any]]:
    """Return what a route depends on that tells the daemon something of the device in the path."""

    def told(services: Served, asker: Asker, device: FoundDevice) -> Callable[..., Any]:
        return partial(services.steered, verb, asker.name, device=device.id)

    return told


Edit = Annotated[Callable[..., Any], Depends(steering("devices.edit"))]
"""Tells the daemon what a person says of the device that the path names."""


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
) -> Any:
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


@router.get("/{id}", response_model=WholeDevice, dependencies=[_READ])
def show_device(device: FoundDevice) -> Any:
    """Show a device: what it is and why, and its addresses over time."""
    whole = {"given_name": device.name, "kind": device.kind, "vlan": device.vlan}
    return {**shape(device), **whole, **evidence_shape(device)}


@router.patch("/{id}", response_model=Edited, dependencies=[_WRITE])
def edit_device(body: DeviceChanges, request: Request, device: FoundDevice, edit: Edit) -> Any:
    """Name a device, label it, say what it is: a person's word is final."""
    told = body.model_dump(exclude_none=True)
    request.state.audit = ", ".join(f"{name}={value}" for name, value in told.items())
    if body.name is not None:
        edit(act="rename", values=(body.name,))
    if body.labels is not None:
        gone = tuple(each for each in device.labels if each not in body.labels)
        edit(act="label", values=tuple(body.labels), removed=gone)
    attributes = tuple(f"{name}={told[name]}" for name in map(str, CONCLUDED) if name in told)
    if attributes:
        edit(act="tell", values=attributes)
    return {"device": device.id}


@router.delete("/{id}", response_model=Edited, dependencies=[_WRITE])
def forget_device(edit: Edit) -> Any:
    """Forget a device and all that is known of it; it is new when it is seen again."""
    return edit(act="forget")


@router.post("/{id}/merge", response_model=Edited, dependencies=[_WRITE])
def merge_devices(body: Others, request: Request, edit: Edit) -> Any:
    """Say that others are the same thing as a device, under other addresses."""
    request.state.audit = " ".join(body.others)
    return edit(act="merge", values=tuple(body.others))


@router.post("/{id}/split", response_model=Edited, dependencies=[_WRITE])
def split_device(body: Mac, request: Request, edit: Edit) -> Any:
    """Say that a MAC address is another thing than a device; they are never joined again."""
    request.state.audit = body.mac
    return edit(act="split", values=(body.mac,))
