"""Fences: rules that hold a device to what it normally does, tried on the past first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.devices.fence import FenceError, Grade
from phage.devices.proposal import DAYS, check_accepted, propose
from phage.errors import PhageError, StateError
from phage.web.names import Names
from phage.web.pages.devices import DeviceName
from phage.web.render import back, page

if TYPE_CHECKING:
    from phage.devices.proposal import Proposal

router = APIRouter(include_in_schema=False)

MAX_SHOWN = 50
LONGEST_RULES = 131_072

GRADES = {
    "block": "Block what is not normal for it",
    "notify": "Only tell me",
    "limit": "Slow it down for an hour",
    "quarantine": "Isolate it for a day",
}


@router.get("/devices/{name}/fence", dependencies=[Depends(needs("devices:read"))])
def fence(
    request: Request,
    services: Served,
    asker: Asker,
    name: DeviceName,
    grade: Annotated[Grade, Query()] = Grade.BLOCK,
) -> HTMLResponse:
    """Show the fence of a device, and what of its flows it would have blocked."""
    if not asker.may("flows:read"):
        message = f"{asker.user} may not flows:read"
        raise ProblemError(403, message, kind="permission")
    proposal: Proposal | None = None
    fault = ""
    with services.reading() as store:
        device = store.devices.named([name.lower()]).get(name.lower())
        names = Names(store, asker)
        if device is not None:
            try:
                proposal = propose(store, device.id, grade, DAYS, services.system_of)
            except (StateError, FenceError) as error:
                fault = str(error)
        if proposal is not None:
            names.learn(each.peer for each in proposal.blocked[:MAX_SHOWN])
    return page(
        request,
        "fence.html",
        device=device,
        name=name.lower(),
        proposal=proposal,
        fault=fault,
        names=names,
        grade=grade.value,
        grades=GRADES,
        shown=MAX_SHOWN,
    )


@router.post("/devices/{name}/fence", dependencies=[Depends(needs("rules:write"))])
def change_fence(
    request: Request,
    services: Served,
    asker: Asker,
    name: DeviceName,
    act: Annotated[Literal["enforce", "release"], Form()],
    grade: Annotated[Grade, Form()] = Grade.BLOCK,
    text: Annotated[str, Form(max_length=LONGEST_RULES)] = "",
    force: Annotated[Literal["", "yes"], Form()] = "",
    accept: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Fence a device in, or free it."""
    values: dict[str, object] = {}
    if act == "enforce":
        values = {"grade": grade.value, "rules": text.replace("\r\n", "\n"), "force": bool(force)}
    to = f"/devices/{quote(name, safe='')}/fence"
    try:
        if act == "enforce":
            with services.reading() as store:
                proposal = propose(store, name.lower(), grade, DAYS, services.system_of)
            check_accepted(proposal, grade, accept)
        done = services.steered("devices.fence", asker.name, act=act, device=name, **values)
    except PhageError as error:
        return back(request, to, str(error), bad=True)
    request.state.audit = f"{act} {grade.value if act == 'enforce' else ''}".strip()
    if act == "release":
        return back(request, to, "Free again." if done["there"] else "It was not fenced in.")
    told = "" if done["enforced"] else " Nothing is blocked: policy.enforce is off."
    return back(request, to, f"Fenced in.{told}")
