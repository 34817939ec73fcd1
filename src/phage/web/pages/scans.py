"""Active scans of our own network: begun and stopped here, what they found, what was different."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, Services
from phage.errors import PhageError
from phage.store.repositories.scans import DiffFilter
from phage.web.names import Names
from phage.web.render import back, page

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(include_in_schema=False)

SHOWN = 30
DIFFS = 100

_READ = Depends(needs("scans:read"))
_WRITE = Depends(needs("scans:write"))
ScanId = Annotated[str, Path(min_length=4, max_length=32, pattern="^[0-9a-z]+$")]
_Tick = Annotated[Literal["", "yes"], Form()]


@router.get("/scans", dependencies=[_READ])
def scans(request: Request, services: Served, asker: Asker) -> HTMLResponse:
    """List scans with what was different, and how far the one that runs is."""
    with services.reading() as store:
        made = store.scans.latest(SHOWN)
        diffs = store.scans.diffs(DiffFilter(), DIFFS)
        names = Names(store, asker)
        names.learn(each.mac or each.host for each in diffs)
    running = _running(services, asker.name)
    return page(request, "scans.html", scans=made, diffs=diffs, names=names, running=running)


@router.get("/scans/{scan_id}", dependencies=[_READ])
def scan(request: Request, services: Served, asker: Asker, scan_id: ScanId) -> HTMLResponse:
    """Show a scan with the hosts that it found."""
    with services.reading() as store:
        made = store.scans.get(scan_id)
        if made is None:
            message = f"there is no scan {scan_id}"
            raise ProblemError(404, message)
        diffs = store.scans.diffs(DiffFilter(made.id), DIFFS)
        names = Names(store, asker)
        names.learn(each.mac or each.address for each in made.hosts)
        names.learn(each.mac or each.host for each in diffs)
    return page(request, "scan.html", scan=made, diffs=diffs, names=names)


@router.post("/scans", dependencies=[_WRITE])
def change_scans(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["start", "stop"], Form()],
    targets: Annotated[str, Form(max_length=1000)] = "",
    ports: Annotated[str, Form(max_length=1000)] = "top100",
    fast: _Tick = "",
    outside: _Tick = "",
    credentials: _Tick = "",
) -> Response:
    """Begin a scan, or stop the one that runs."""
    try:
        if act == "stop":
            stopped = services.steered("devices.scan.stop", asker.name)["scan"]
            said = "It stops; what it found until now is kept." if stopped else "None runs."
        else:
            values: dict[str, object] = {
                "targets": tuple(targets.replace(",", " ").split()),
                "ports": ports.strip() or "top100",
                "fast": bool(fast),
                "outside": bool(outside),
                "credentials": bool(credentials),
            }
            request.state.audit = f"scan {targets}".strip()
            services.steered("devices.scan", asker.name, **values)
            said = "It begins."
    except PhageError as error:
        return back(request, "/scans", str(error), bad=True)
    return back(request, "/scans", said)


def _running(services: Services, by: str) -> Mapping[str, Any]:
    """Return how far the scan that runs is; empty where none does, or nothing scans."""
    try:
        status: Mapping[str, Any] = services.steered("devices.scan.status", by)
    except PhageError:
        return {}
    return status if status.get("scan") else {}
