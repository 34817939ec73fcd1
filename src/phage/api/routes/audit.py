"""The audit log: who changed what, and whether anybody changed the log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.security import needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.store.repositories.audit import ChainedEntry

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

_READ = Depends(needs("audit:read"))


class AuditRow(Row):
    """One change."""

    number: int
    at: str
    actor: str = Field(description='As "user:ada", with the token by which it was done.')
    act: str
    subject: str
    detail: str
    hash: str


class VerificationInfo(BaseModel):
    """Whether the log is whole."""

    whole: bool
    entries: int = Field(description="Entries up to the first that does not fit.")
    head: str = Field(description="Hash of the last of them; note it elsewhere, to compare later.")
    fault: str
    number: int = Field(description="The entry that does not fit.")


def _shape(entry: ChainedEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": rfc3339(entry.happened),
        "actor": entry.actor,
        "act": entry.act,
        "subject": entry.subject,
        "detail": entry.detail,
        "hash": entry.hash,
    }


@router.get("", response_model=Page[AuditRow], dependencies=[_READ])
def list_audit(
    services: Served,
    actor: Annotated[str, Query(max_length=256, description="Only of this actor.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List changes, the newest first."""
    after = Keys((int,)).read(cursor)
    with services.reading() as store:
        found = store.audit.list(actor, int(after[0]) if after else None, limit + 1)
    return page_of(found, limit, lambda each: (each.number,), _shape, fields)


@router.get("/verify", dependencies=[_READ])
def verify_audit(services: Served) -> VerificationInfo:
    """Check the chain of the whole log."""
    found = services.access.audit.verify()
    return VerificationInfo(
        whole=not found.fault,
        entries=found.entries,
        head=found.head,
        fault=found.fault,
        number=found.number,
    )
