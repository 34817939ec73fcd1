"""CrowdSec's local API for remediation components, so that existing bouncers enforce decisions.

What it answers is CrowdSec's, not phage's: names, `null` for an empty list, durations as Go writes
them (https://docs.crowdsec.net, Local API).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from phage.access.roles import BOUNCER
from phage.api.bouncers import Remedy
from phage.api.security import Asker, needs
from phage.api.services import Served, running
from phage.telemetry.metrics import Registry

router = APIRouter(prefix="/v1", tags=["bouncers"])

_PULL = Depends(needs(BOUNCER))

ORIGIN = "phage"

PIECE = 500
"""Decisions that are written at a time."""

Filter = Annotated[str, Query(max_length=2000)]


class BouncerDecision(BaseModel):
    """A decision as CrowdSec tells it."""

    id: int
    origin: str
    type: str = Field(description='"ban" or "throttle".')
    scope: str = Field(description='"Ip" or "Range".')
    value: str
    duration: str = Field(description='What is left, as "3h59m50.1s"; negative once it ended.')
    scenario: str
    simulated: bool = False


class DecisionStream(BaseModel):
    """What is new and what has ended since a bouncer asked last."""

    new: list[BouncerDecision] | None
    deleted: list[BouncerDecision] | None


class UsageMetrics(BaseModel):
    """What remediation components and log processors report; only counts are kept."""

    model_config = ConfigDict(extra="allow")

    remediation_components: Annotated[list[dict[str, Any]] | None, Field(max_length=64)] = None


def _go_duration(seconds: float) -> str:
    """Return a duration as Go writes it (time.Duration.String)."""
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(left, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{sign}{int(hours)}h{int(minutes)}m{rest:.3f}s"


def _shape(remedy: Remedy) -> dict[str, Any]:
    return {
        "id": remedy.id,
        "origin": ORIGIN,
        "type": remedy.type,
        "scope": remedy.scope,
        "value": remedy.value,
        "duration": _go_duration(remedy.seconds),
        "scenario": remedy.scenario,
        "simulated": False,
    }


class _Wanted:
    """Which decisions a bouncer asks for."""

    def __init__(
        self, scopes: str, origins: str, scenarios: str, not_scenarios: str, types: str = ""
    ) -> None:
        self._scopes = _words(scopes)
        self._types = _words(types)
        self._scenarios, self._not_scenarios = _words(scenarios), _words(not_scenarios)
        self._nothing = bool(origins) and ORIGIN not in _words(origins)

    def takes(self, remedy: Remedy) -> bool:
        """Tell whether a decision is wanted."""
        name = remedy.scenario.lower()
        return (
            not self._nothing
            and (not self._scopes or remedy.scope.lower() in self._scopes)
            and (not self._types or remedy.type in self._types)
            and (not self._scenarios or any(each in name for each in self._scenarios))
            and not any(each in name for each in self._not_scenarios)
        )


def _words(text: str) -> frozenset[str]:
    return frozenset(each.strip().lower() for each in text.split(",") if each.strip())


@router.get("/decisions/stream", response_model=DecisionStream, dependencies=[_PULL])
def stream_decisions(
    services: Served,
    asker: Asker,
    startup: Annotated[bool, Query(description="All that is in force, not only changes.")] = False,
    scopes: Filter = "",
    origins: Filter = "",
    scenarios_containing: Filter = "",
    scenarios_not_containing: Filter = "",
) -> Response:
    """Tell a bouncer what is new and what has ended since it asked last."""
    wanted = _Wanted(scopes, origins, scenarios_containing, scenarios_not_containing)
    feed = running(services.bouncers, "what decides")
    new, deleted = feed.pull(asker.token or asker.user, services.clock.now(), startup=startup)
    return StreamingResponse(
        _written(filter(wanted.takes, new), filter(wanted.takes, deleted)),
        media_type="application/json",
    )


@router.head("/decisions/stream", dependencies=[_PULL])
def stream_head() -> Response:
    """Tell a bouncer that it may ask, and change nothing."""
    return Response(media_type="application/json")


def _written(new: Iterable[Remedy], deleted: Iterable[Remedy]) -> Iterator[str]:
    """Yield the answer some at a time: a hundred thousand decisions take 20 MB of text."""
    yield '{"new":'
    yield from _list(new)
    yield ',"deleted":'
    yield from _list(deleted)
    yield "}"


def _list(remedies: Iterable[Remedy]) -> Iterator[str]:
    begun, piece = False, []
    for remedy in remedies:
        piece.append(json.dumps(_shape(remedy)))
        if len(piece) >= PIECE:
            yield ("," if begun else "[") + ",".join(piece)
            begun, piece = True, []
    if piece:
        yield ("," if begun else "[") + ",".join(piece)
        begun = True
    yield "]" if begun else "null"


@router.get("/decisions", response_model=list[BouncerDecision] | None, dependencies=[_PULL])
def find_decisions(
    services: Served,
    ip: Annotated[str, Query(max_length=64, description="Against this address.")] = "",
    range: Annotated[str, Query(max_length=64, description="In this network.")] = "",
    scope: Filter = "",
    scopes: Filter = "",
    value: Annotated[str, Query(max_length=255, description="With exactly this value.")] = "",
    type: Annotated[str, Query(max_length=64)] = "",
    origins: Filter = "",
    scenarios_containing: Filter = "",
    scenarios_not_containing: Filter = "",
) -> Response:
    """Tell what is in force, as against one address; null for nothing."""
    wanted = _Wanted(scope or scopes, origins, scenarios_containing, scenarios_not_containing, type)
    feed = running(services.bouncers, "what decides")
    place = _network(ip or range)
    if (ip or range) and place is None:
        return JSONResponse({"message": f"{ip or range} is no address or network"}, 422)
    found = (
        each
        for each in feed.standing(services.clock.now())
        if wanted.takes(each)
        and (not value or each.value == value)
        and (place is None or _meets(each, place, inside=not ip))
    )
    return StreamingResponse(_list(found), media_type="application/json")


@router.head("/decisions", dependencies=[_PULL])
def find_head() -> Response:
    """Tell a bouncer that it may ask."""
    return Response(media_type="application/json")


@router.post("/usage-metrics", status_code=201, dependencies=[_PULL])
def usage_metrics(body: UsageMetrics, request: Request, services: Served, asker: Asker) -> Response:
    """Take what a bouncer did with decisions; it is added to the metrics."""
    request.state.unaudited = True  # Bouncers tell it every few minutes.
    for component in body.remediation_components or ():
        _count(services.registry, asker.token or asker.user, component)
    return JSONResponse({"message": "taken"}, 201)


def _count(registry: Registry, bouncer: str, component: dict[str, Any]) -> None:
    """Count what is known of a component's items (name, value); anything else is left out."""
    counter = registry.counter(
        "phage_api_bouncer_total", "What bouncers report, by name of the item.", ("bouncer", "item")
    )
    groups = component.get("metrics")
    for group in groups[:16] if isinstance(groups, list) else ():
        items = group.get("items") if isinstance(group, dict) else None
        for item in items[:256] if isinstance(items, list) else ():
            name = item.get("name") if isinstance(item, dict) else None
            value = item.get("value") if isinstance(item, dict) else None
            if isinstance(name, str) and isinstance(value, int | float) and 0 <= value < 2**53:
                counter.add(float(value), bouncer, name[:64])


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _meets(remedy: Remedy, place: _Network, *, inside: bool) -> bool:
    """Tell whether a decision covers an address, or lies inside a range."""
    own = _network(remedy.value)
    if own is None or own.version != place.version:
        return False
    one, other = (own, place) if inside else (place, own)
    return one.network_address in other and one.prefixlen >= other.prefixlen
