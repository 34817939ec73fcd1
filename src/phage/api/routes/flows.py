"""Flows, as they were stored when they ended."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import Fault, ProblemError
from phage.api.security import needs
from phage.api.services import Served
from phage.api.shapes import flow_shape, protocol_number
from phage.store.repositories.flows import ORDERS, FlowFilter

router = APIRouter(prefix="/api/v1/flows", tags=["flows"])

_Pair = Annotated[list[int], Field(description="Of the initiator, of the responder.")]


class FlowRow(Row):
    """One bidirectional flow."""

    id: int
    start: str
    last: str
    src: str = Field(description="The initiator.")
    src_port: int
    dst: str
    dst_port: int
    protocol: str
    application: str
    packets: _Pair
    octets: _Pair
    payload: _Pair
    src_mac: str
    dst_mac: str
    vlan: int
    state: str
    end_reason: str
    handshake_us: int = Field(description="Microseconds of the TCP handshake; 0 where unknown.")
    ended: bool


@router.get("", response_model=Page[FlowRow], dependencies=[Depends(needs("flows:read"))])
def list_flows(
    services: Served,
    host: Annotated[str, Query(max_length=64, description="With this address or MAC.")] = "",
    port: Annotated[int | None, Query(ge=0, le=65_535, description="With this port.")] = None,
    protocol: Annotated[str, Query(max_length=16, description="As tcp, or by number.")] = "",
    application: Annotated[str, Query(max_length=32, description="As dns, tls, http.")] = "",
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List flows, those seen last first."""
    order = ORDERS["last"]
    wanted = FlowFilter(
        host=host,
        port=port,
        protocol=_protocol(protocol),
        application=application,
        since=moment(since, "since"),
        until=moment(until, "until"),
        before=Keys(order.kinds).read(cursor),
    )
    with services.reading() as store:
        found = store.flows.list(wanted, limit + 1)
    return page_of(found, limit, order.keys, flow_shape, fields)


def _protocol(name: str) -> int | None:
    number = protocol_number(name) if name else None
    if name and number is None:
        message = f"there is no protocol {name!r}; write tcp, udp, icmp or a number"
        raise ProblemError(422, message, errors=[Fault(where="query.protocol", detail=message)])
    return number
