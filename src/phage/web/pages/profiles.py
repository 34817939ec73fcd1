"""The whole profile of a device: what it does with whom, how often, when, how much, after what."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from phage.api.profileshapes import hours_of, hours_text
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.web.names import Names
from phage.web.pages.devices import DeviceName
from phage.web.render import page

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
        hours=lambda use: hours_text(hours_of(use.hours)),
    )
