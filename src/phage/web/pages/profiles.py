"""The whole profile of a device: what it does with whom, how often, when, how much, after what."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.profileshapes import hours_of, hours_text
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.devices.mud import MAX_OCTETS, read_mud
from phage.devices.mudfetch import fetched, told_place
from phage.errors import PhageError
from phage.records.device import Attribute
from phage.web.names import Names
from phage.web.pages.devices import DeviceName
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)


@router.get("/devices/{name}/profile", dependencies=[Depends(needs("devices:read"))])
def profile(request: Request, services: Served, asker: Asker, name: DeviceName) -> HTMLResponse:
    """Show all that is normal for a device, and what is not yet."""
    with services.reading() as store:
        device = store.devices.named([name.lower()]).get(name.lower())
        found = store.profiles.get(device.id) if device is not None else None
        names = Names(store, asker)
        keys = [*found.keys, *found.waiting] if found is not None else []
        names.learn(key.peer.partition(":")[2] for key in keys)
    return page(
        request,
        "profile.html",
        device=device,
        name=name.lower(),
        profile=found,
        names=names,
        tells_place=bool(device and any(t.attribute is Attribute.MUD for t in device.traits)),
        hours=lambda use: hours_text(hours_of(use.hours)),
    )


@router.post("/devices/{name}/profile", dependencies=[Depends(needs("devices:write"))])
def describe(
    request: Request,
    services: Served,
    asker: Asker,
    name: DeviceName,
    act: Annotated[Literal["take", "fetch"], Form()],
    text: Annotated[str, Form(max_length=MAX_OCTETS)] = "",
) -> Response:
    """Take what a maker's description (RFC 8520) allows as normal for a device."""
    to = f"/devices/{quote(name, safe='')}/profile"
    try:
        if act == "fetch":
            with services.reading() as store:
                device = store.devices.named([name.lower()])[name.lower()]
            keys = fetched(told_place(device), services.clock, public=True)
        else:
            keys = read_mud("the description", text.encode())
        values = tuple(map(str, keys))
        services.steered("devices.edit", asker.name, act="allow", device=name, values=values)
    except KeyError:
        return back(request, to, f"there is no device {name}", bad=True)
    except PhageError as error:
        return back(request, to, str(error), bad=True)
    request.state.audit = f"{len(keys)} keys of a description"
    return back(request, to, f"{len(keys)} things are normal by it.")
