"""Decisions: what was decided and why; deciding by hand, and taking back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import Fault, ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.api.shapes import decision_shape
from phage.policy.target import parse_target
from phage.records.decision import Action, Direction, TargetKind
from phage.store.repositories.decisions import DecisionFilter

router = APIRouter(prefix="/api/v1/decisions", tags=["decisions"])

_READ = Depends(needs("decisions:read"))
_WRITE = Depends(needs("decisions:write"))

LONGEST_SECONDS = 100 * 365 * 86_400.0

DecisionId = Annotated[
    str, Path(min_length=6, max_length=26, pattern="^[0-9A-Za-z]+$", description="Its id.")
]


class RateRow(BaseModel):
    """How much is let through."""

    count: int
    unit: str
    seconds: int
    burst: int


class ReceiptRow(BaseModel):
    """What a responder did."""

    responder: str
    state: str
    at: str
    detail: str


class DecisionAuditRow(BaseModel):
    """What a person did with a decision."""

    at: str
    by: str
    act: str
    detail: str


class DecisionRow(Row):
    """A decision."""

    id: str
    state: str = Field(description='"in force", "recorded", "not carried out" or "ended".')
    kind: TargetKind
    target: str
    action: Action
    direction: Direction
    reason: str
    start: str
    until: str = Field(description="Empty for ever.")
    rule: str
    finding: str
    by: str
    rate: RateRow | None
    pattern: dict[str, Any] | None
    responders: list[str] = Field(description="Only these carry it out; empty: all that can.")
    dry_run: bool = Field(description="Recorded, never carried out.")
    spoofable: bool
    ended: str
    ended_by: str
    receipts: list[ReceiptRow]
    audit: list[DecisionAuditRow]


class DecisionBody(BaseModel):
    """What is to be decided by hand."""

    target: Annotated[
        str,
        Field(min_length=1, max_length=255, description="Address, network, MAC or domain."),
    ]
    action: Literal["ban", "reject", "limit", "quarantine"] = "ban"
    direction: Literal["from", "to", "both"] = "from"
    seconds: Annotated[
        float, Field(ge=0, le=LONGEST_SECONDS, description="How long; 0 for ever.")
    ] = 3600.0
    rate: Annotated[
        int | None, Field(ge=1, le=10**9, description="Packets a second that a limit lets by.")
    ] = None
    reason: Annotated[str, Field(max_length=500)] = ""
    responders: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=32)] = []


class Decided(BaseModel):
    """What became of a decision by hand."""

    decision: dict[str, Any] = Field(description="The decision, as the ledger took it.")
    receipts: list[dict[str, str]] = Field(description="What responders did so far.")
    panic: bool = Field(description="The panic switch is on: nothing is carried out.")


class RevokeBody(BaseModel):
    """What is to be taken back."""

    names: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=255)]],
        Field(min_length=1, max_length=1000, description="Ids, or targets: all against them."),
    ]


class Revoked(BaseModel):
    """What was taken back."""

    decisions: list[dict[str, Any]]


@router.get("", response_model=Page[DecisionRow], dependencies=[_READ])
def list_decisions(
    services: Served,
    target: Annotated[
        str, Query(max_length=255, description="Only against this address, network or name.")
    ] = "",
    finding: Annotated[str, Query(max_length=64, description="Only for this finding.")] = "",
    rule: Annotated[str, Query(max_length=200, description="Only of this rule.")] = "",
    every: Annotated[bool, Query(alias="all", description="Also what has ended.")] = False,
    in_force: Annotated[bool, Query(description="Only what is carried out.")] = False,
    since: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List decisions, the newest first."""
    after = Keys((str,)).read(cursor)
    wanted = DecisionFilter(
        standing=None if every else True,
        target=_canonical(target),
        finding=finding,
        rule=rule,
        dry_run=False if in_force else None,
        since=moment(since, "since"),
        after=str(after[0]) if after else "",
    )
    now = services.clock.now()
    with services.reading() as store:
        found = store.decisions.list(wanted, limit + 1)
        receipts = store.receipts.of([each.id for each in found])
    return page_of(
        found,
        limit,
        lambda each: (each.id,),
        lambda each: decision_shape(each, now, receipts.get(each.id, ())),
        fields,
    )


@router.get("/{id}", response_model=DecisionRow, dependencies=[_READ])
def show_decision(services: Served, id: DecisionId) -> Any:
    """Show a decision: why, until when, what each responder did, who changed it."""
    with services.reading() as store:
        decision = store.decisions.get(id)
        if decision is None:
            message = f"there is no decision {id!r}, or several begin so"
            raise ProblemError(404, message)
        receipts = store.receipts.of([decision.id])[decision.id]
        audit = store.decisions.audit(decision.id)
    return decision_shape(decision, services.clock.now(), receipts, audit)


@router.post("", status_code=201, response_model=Decided, dependencies=[_WRITE])
def add_decision(body: DecisionBody, request: Request, services: Served, asker: Asker) -> Any:
    """Decide by hand; what is on the allow-list is refused."""
    answer = services.steered(
        "decisions.add", asker.name, **{**body.model_dump(), "responders": tuple(body.responders)}
    )
    made = answer["decision"]
    request.state.audit = f"{made['id']}: {made['action']} {made['target']}"
    return answer


@router.post("/revoke", response_model=Revoked, dependencies=[_WRITE])
def revoke_decisions(body: RevokeBody, request: Request, services: Served, asker: Asker) -> Any:
    """Take decisions back before their time."""
    answer = services.steered("decisions.revoke", asker.name, names=tuple(body.names))
    request.state.audit = ", ".join(each["id"] for each in answer["decisions"])
    return answer


@router.delete("/{id}", response_model=Revoked, dependencies=[_WRITE])
def revoke_decision(services: Served, id: DecisionId, asker: Asker) -> Any:
    """Take one decision back."""
    with services.reading() as store:
        decision = store.decisions.get(id)
    if decision is None:
        message = f"there is no decision {id!r}, or several begin so"
        raise ProblemError(404, message)
    return services.steered("decisions.revoke", asker.name, names=(decision.id,))


def _canonical(target: str) -> str:
    if not target:
        return ""
    try:
        return parse_target(target).value
    except ValueError as error:
        fault = Fault(where="query.target", detail=str(error))
        raise ProblemError(422, str(error), errors=[fault]) from error
