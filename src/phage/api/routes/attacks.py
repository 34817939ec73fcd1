"""Attacks by volume: listed, and shown with all that is known of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from phage.api.attacks import attack_shape, get_attack, list_attacks
from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.security import needs
from phage.api.services import Served
from phage.records import FindingState, Severity
from phage.store.repositories.findings import ORDERS, FindingFilter

router = APIRouter(prefix="/api/v1/attacks", tags=["attacks"])

_READ = Depends(needs("findings:read"))


class AttackRow(Row):
    """An attack by volume."""

    id: str
    state: FindingState
    severity: Severity
    target: str = Field(description="Who is attacked (or attacks): an address or a prefix.")
    direction: str = Field(description="incoming or outgoing.")
    kind: str = Field(description="The vector that carries most of it.")
    vectors: list[dict[str, Any]] = Field(description="Vectors with their shares.")
    packets_per_second: float
    peak_packets_per_second: float
    peak_bits_per_second: float
    packets: int
    sources: float = Field(description="Distinct sources, or destinations of what is sent.")
    first_seen: str
    last_seen: str
    seconds: float
    detector: str
    summary: str
    details: dict[str, Any] = Field(description="Why it is one, what it consists of, filters.")


@router.get("", response_model=Page[AttackRow], dependencies=[_READ])
def list_(
    services: Served,
    state: Annotated[FindingState | None, Query(description="Only in this state.")] = None,
    host: Annotated[
        str, Query(max_length=64, description="With this address as target or source.")
    ] = "",
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List attacks, those seen last first."""
    order = ORDERS["last_seen"]
    wanted = FindingFilter(
        state=state,
        party=host,
        since=moment(since, "since"),
        until=moment(until, "until"),
        before=Keys(order.kinds).read(cursor),
    )
    with services.reading() as store:
        found = list_attacks(store, wanted, limit + 1)
    return page_of(found, limit, order.keys, attack_shape, fields)


@router.get("/{id}", response_model=AttackRow, dependencies=[_READ])
def show(
    services: Served,
    id: Annotated[str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$")],
) -> Any:
    """Show an attack; the beginning of its id is enough."""
    with services.reading() as store:
        finding = get_attack(store, id)
    if finding is None:
        message = f"there is no attack {id!r}, or several begin so"
        raise ProblemError(404, message)
    return attack_shape(finding)
