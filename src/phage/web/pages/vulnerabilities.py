"""Known vulnerabilities of all devices, the most urgent first."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.affected import entries_of
from phage.api.memory import Remembered
from phage.api.security import needs
from phage.api.services import Served
from phage.devices.vulnerabilities.network import Entries, Wanted
from phage.errors import PhageError
from phage.web.render import page

router = APIRouter(include_in_schema=False)

SHOWN = 100
_Tick = Annotated[Literal["", "yes"], Query()]


@router.get("/vulnerabilities", dependencies=[Depends(needs("devices:read"))])
def vulnerabilities(
    request: Request,
    services: Served,
    memory: Remembered,
    product: Annotated[str, Query(max_length=200)] = "",
    exploited: _Tick = "",
    certain: _Tick = "",
) -> HTMLResponse:
    """List vulnerabilities with the devices that have them."""
    wanted = Wanted(product.strip(), bool(exploited), bool(certain))
    entries, fault = Entries(0, ()), ""
    try:
        entries = entries_of(services, memory, wanted)
    except PhageError as error:
        fault = str(error)
    return page(
        request,
        "vulnerabilities.html",
        found=entries.told[:SHOWN],
        total=entries.total,
        wanted=wanted,
        fault=fault,
    )
