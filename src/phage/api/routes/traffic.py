"""Traffic over time: who sent and received most, by which service, with whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from phage.api.memory import Remembered
from phage.api.moments import Moment, moment
from phage.api.security import needs
from phage.api.services import Served
from phage.clock import rfc3339
from phage.store.repositories.traffic import Traffic, TrafficKind, span_for

router = APIRouter(prefix="/api/v1/traffic", tags=["traffic"])

DAY_NS = 86_400 * 10**9

_READ = Depends(needs("flows:read"))

Host = Annotated[
    str, Query(min_length=1, max_length=64, description="A device's name, or an address.")
]
Most = Annotated[int, Query(ge=1, le=1000, description="Rows, at most.")]


class TrafficRow(BaseModel):
    """What was counted of one host, service or pair."""

    name: str = Field(description="Host, service, or the initiator of a pair.")
    peer: str = Field(description="The responder of a pair; else empty.")
    at: str = Field(description="Begin of the span; empty for a sum.")
    packets: list[int] = Field(description="Sent and received.")
    octets: list[int] = Field(description="Sent and received.")
    flows: int


def _row(traffic: Traffic) -> TrafficRow:
    return TrafficRow(
        name=traffic.name,
        peer=traffic.peer,
        at=rfc3339(traffic.at) if traffic.at else "",
        packets=list(traffic.packets),
        octets=list(traffic.octets),
        flows=traffic.flows,
    )


def _time(services: Served, since: str | None, until: str | None) -> tuple[int, int]:
    """Return from when to when; the last day where nothing is said."""
    end = moment(until, "until")
    end = services.clock.now() if end is None else end
    begin = moment(since, "since")
    return (end - DAY_NS if begin is None else begin), end


@router.get("/top", dependencies=[_READ])
def top(
    services: Served,
    memory: Remembered,
    kind: Annotated[TrafficKind, Query(description="Of what.")] = TrafficKind.HOST,
    since: Moment = None,
    until: Moment = None,
    limit: Most = 20,
) -> list[TrafficRow]:
    """List who had most octets in a time; the last day where none is given."""
    begin, end = _time(services, since, until)

    def summed() -> list[TrafficRow]:
        with services.reading() as store:
            return [_row(each) for each in store.traffic.top(kind, begin, end, limit)]

    # Who asks for the time until now asks for the same as all others who do so.
    return memory.of(("traffic", kind, since, until, limit), summed)


@router.get("/host", dependencies=[_READ])
def of_host(
    services: Served, host: Host, since: Moment = None, until: Moment = None
) -> list[TrafficRow]:
    """List the spans of one host in order, those in which it was silent left out."""
    begin, end = _time(services, since, until)
    with services.reading() as store:
        found = store.traffic.of(host, begin, end, span_for(begin, end))
    return [_row(each) for each in found]


@router.get("/peers", dependencies=[_READ])
def peers(
    services: Served, host: Host, since: Moment = None, until: Moment = None, limit: Most = 20
) -> list[TrafficRow]:
    """List with whom one host had most octets in a time."""
    begin, end = _time(services, since, until)
    with services.reading() as store:
        return [_row(each) for each in store.traffic.peers(host, begin, end, limit)]
