"""Workers that scan files: who works, what waits, which definitions are on their way."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served, running
from phage.api.workershapes import queue_shapes, worker_state
from phage.errors import PhageError
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)


@router.get("/workers", dependencies=[Depends(needs("workers:read"))])
def workers(request: Request, services: Served) -> HTMLResponse:
    """Show workers with their engines, queues, and releases of definitions."""
    now = services.clock.now()
    with services.reading() as store:
        found = store.scan_workers.list()
        open_ = store.scan_tasks.open()
        releases = store.scan_releases.list(limit=50)
        fleets = store.scan_fleets.list()
    return page(
        request,
        "workers.html",
        workers=[(each, worker_state(each, now)) for each in found],
        queues=queue_shapes(found, open_, now),
        releases=releases,
        fleets=fleets,
    )


@router.post("/workers", dependencies=[Depends(needs("workers:write"))])
def change_workers(
    request: Request,
    services: Served,
    act: Annotated[Literal["end", "forget", "withdraw", "size", "needed"], Form()],
    name: Annotated[str, Form(max_length=64)],
    copies: Annotated[int, Form(ge=0, le=1000)] = 0,
) -> Response:
    """End or forget a worker; take definitions back; have so many machines in a fleet."""
    request.state.audit = f"{act} {name}"
    kept = services.writing.scan_workers
    try:
        if act == "withdraw":
            running(services.work, "scanning by many workers").releases.withdraw(name)
            said = "Workers return to the definitions before."
        elif act in {"size", "needed"}:
            services.writing.scan_fleets.fix(name, copies if act == "size" else None)
            many = f"{copies} machines" if act == "size" else "as many machines as are needed"
            said = f"{name} gets {many} within seconds."
        elif act == "end":
            known = kept.end(name, services.clock.now())
            said = f"{name} ends when what it is at is done." if known else f"{name} is not there."
        else:
            known = kept.forget(name)
            said = f"{name} is forgotten." if known else f"{name} is not there."
    except PhageError as error:
        return back(request, "/workers", str(error), bad=True)
    return back(request, "/workers", said)
