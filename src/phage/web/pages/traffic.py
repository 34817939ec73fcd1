"""Traffic: how much, who, which services, and the newest flows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.memory import Remembered
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.api.shapes import protocol_number
from phage.records.exporter import VERSIONS
from phage.store.repositories.flows import FlowFilter
from phage.store.repositories.traffic import TrafficKind
from phage.store.store import Store
from phage.web.history import Period, packets_chart, period_of, traffic_chart
from phage.web.names import Names
from phage.web.render import page
from phage.web.state import state_of

router = APIRouter(include_in_schema=False)

TOP = 15
FLOWS = 50
HOSTS = 100
"""Of which `TOP` at home and `TOP` elsewhere are shown."""
MAX_EXPORTERS = 100

_READ = Depends(needs("flows:read"))


@router.get("/traffic", dependencies=[_READ])
def traffic(
    request: Request,
    services: Served,
    asker: Asker,
    memory: Remembered,
    period: Annotated[Literal["1h", "24h", "7d"], Query()] = "24h",
) -> HTMLResponse:
    """Show who sent what."""
    now = services.clock.now()
    chosen = period_of(period, now)
    with services.reading() as store:
        values = memory.of(("traffic", period), lambda: _sums(store, chosen))
        hosts, pairs = values["hosts"], values["pairs"]
        names = Names(store, asker)
        names.learn([each.name for each in hosts])
        names.learn(name for each in pairs for name in (each.name, each.peer))
    ours = [each for each in hosts if names.device(each.name) is not None]
    others = [each for each in hosts if names.device(each.name) is None]
    return page(
        request,
        "traffic.html",
        versions=VERSIONS,
        period=period,
        state=state_of(services),
        names=names,
        ours=ours[:TOP],
        others=others[:TOP],
        **values,
    )


def _sums(store: Store, period: Period) -> dict[str, Any]:
    top = store.traffic.top
    return {
        "octets": traffic_chart(store, period),
        "packets": packets_chart(store, period),
        "hosts": top(TrafficKind.HOST, period.since, period.now, HOSTS),
        "pairs": top(TrafficKind.PAIR, period.since, period.now, TOP),
        "exporters": store.exporters.list(MAX_EXPORTERS),
        "services": top(TrafficKind.SERVICE, period.since, period.now, TOP),
    }


@router.get("/flows", dependencies=[_READ])
def flows(
    request: Request,
    services: Served,
    asker: Asker,
    host: Annotated[str, Query(max_length=128)] = "",
    port: Annotated[str, Query(max_length=5, pattern="^[0-9]*$")] = "",
    protocol: Annotated[str, Query(max_length=16)] = "",
) -> HTMLResponse:
    """List flows, those that ended last first."""
    number = protocol_number(protocol) if protocol else None
    wanted = FlowFilter(host=host, port=int(port) if port else None, protocol=number)
    with services.reading() as store:
        found = store.flows.list(wanted, FLOWS)
        names = Names(store, asker)
        names.learn(end for each in found for end in (each.src, each.dst))
    return page(
        request, "flows.html", flows=found, names=names, host=host, port=port, protocol=protocol
    )
