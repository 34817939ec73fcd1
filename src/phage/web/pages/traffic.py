"""Traffic: how much, who, which services, and the newest flows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served
from phage.api.shapes import protocol_number
from phage.store.repositories.flows import FlowFilter
from phage.store.repositories.traffic import TrafficKind
from phage.web.history import packets_chart, period_of, traffic_chart
from phage.web.names import Names
from phage.web.render import page
from phage.web.state import state_of

router = APIRouter(include_in_schema=False)

TOP = 15
FLOWS = 50

_READ = Depends(needs("flows:read"))


@router.get("/traffic", dependencies=[_READ])
def traffic(
    request: Request,
    services: Served,
    period: Annotated[Literal["1h", "24h", "7d"], Query()] = "24h",
) -> HTMLResponse:
    """Show who sent what."""
    now = services.clock.now()
    chosen = period_of(period, now)
    with services.reading() as store:
        names = Names(store)
        hosts = store.traffic.top(TrafficKind.HOST, chosen.since, now, 200)
        pairs = store.traffic.top(TrafficKind.PAIR, chosen.since, now, TOP)
        names.learn([each.name for each in hosts])
        names.learn(name for each in pairs for name in (each.name, each.peer))
        ours = [each for each in hosts if names.device(each.name) is not None]
        others = [each for each in hosts if names.device(each.name) is None]
        values: dict[str, Any] = {
            "octets": traffic_chart(store, chosen),
            "packets": packets_chart(store, chosen),
            "services": store.traffic.top(TrafficKind.SERVICE, chosen.since, now, TOP),
        }
    return page(
        request,
        "traffic.html",
        period=period,
        state=state_of(services),
        names=names,
        ours=ours[:TOP],
        others=others[:TOP],
        pairs=pairs,
        **values,
    )


@router.get("/flows", dependencies=[_READ])
def flows(
    request: Request,
    services: Served,
    host: Annotated[str, Query(max_length=128)] = "",
    port: Annotated[str, Query(max_length=5, pattern="^[0-9]*$")] = "",
    protocol: Annotated[str, Query(max_length=16)] = "",
) -> HTMLResponse:
    """List flows, those that ended last first."""
    number = protocol_number(protocol) if protocol else None
    wanted = FlowFilter(host=host, port=int(port) if port else None, protocol=number)
    with services.reading() as store:
        found = store.flows.list(wanted, FLOWS)
        names = Names(store)
        names.learn(end for each in found for end in (each.src, each.dst))
    return page(
        request, "flows.html", flows=found, names=names, host=host, port=port, protocol=protocol
    )
