"""The audit log: who changed what, and whether anybody changed the log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served
from phage.web.render import page

router = APIRouter(include_in_schema=False)

PAGE = 100


@router.get("/audit", dependencies=[Depends(needs("audit:read"))])
def audit(
    request: Request,
    services: Served,
    actor: Annotated[str, Query(max_length=256)] = "",
    before: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    check: Annotated[Literal["", "yes"], Query()] = "",
) -> HTMLResponse:
    """List what was changed, the newest first."""
    log = services.access.audit
    entries = log.list(actor, before or None, PAGE + 1)
    return page(
        request,
        "audit.html",
        entries=entries[:PAGE],
        actor=actor,
        before=before,
        more=entries[PAGE - 1].number if len(entries) > PAGE else 0,
        verified=log.verify() if check else None,
    )
