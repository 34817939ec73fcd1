"""Devices: who is here, who talks to whom, and everything that is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.memory import Remembered
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.devices.alerts import alert_rate
from phage.devices.vulnerabilities.matching import Matcher
from phage.devices.vulnerabilities.software import software_of
from phage.errors import PhageError
from phage.records.device import CATEGORIES, CONCLUDED, Attribute
from phage.store.repositories.decisions import DecisionFilter
from phage.store.repositories.devices import DeviceFilter
from phage.store.repositories.findings import FindingFilter
from phage.store.repositories.flows import FlowFilter
from phage.store.repositories.traffic import SECOND, TrafficKind
from phage.web.heat import heat_of
from phage.web.map import draw
from phage.web.names import Names
from phage.web.render import back, page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.access.identity import Identity
    from phage.records import Finding
    from phage.records.decision import Decision
    from phage.records.device import Device
    from phage.store.store import Store

router = APIRouter(include_in_schema=False)

PAGE = 100
MAP_HOURS = 24
MAP_PAIRS = 120
HEAT_DAYS = 7
MAX_HABITS = 12

DeviceName = Annotated[str, Path(min_length=2, max_length=128)]
_READ = Depends(needs("devices:read"))
_WRITE = Depends(needs("devices:write"))


@router.get("/devices", dependencies=[_READ])
def devices(
    request: Request,
    services: Served,
    asker: Asker,
    q: Annotated[str, Query(max_length=128)] = "",
    category: Annotated[str, Query(max_length=32)] = "",
    here: Annotated[Literal["", "yes", "no"], Query()] = "",
    after: Annotated[str, Query(max_length=128)] = "",
) -> HTMLResponse:
    """List devices, those seen last first."""
    wanted = DeviceFilter(q, category, {"yes": True, "no": False}.get(here), after=after)
    with services.reading() as store:
        found = store.devices.search(wanted, PAGE + 1)
        total = store.devices.count()
        now = services.clock.now()
        rate = alert_rate(store, now) if asker.may("findings:read") else None
    chosen = {
        name: value for name, value in (("q", q), ("category", category), ("here", here)) if value
    }
    more = found[PAGE - 1].id if len(found) > PAGE else ""
    return page(
        request,
        "devices.html",
        devices=found[:PAGE],
        total=total,
        rate=rate,
        q=q,
        category=category,
        here=here,
        categories=CATEGORIES,
        more=urlencode({**chosen, "after": more}) if more else "",
    )


@router.get("/map", dependencies=[Depends(needs("flows:read"))])
def device_map(
    request: Request, services: Served, asker: Asker, memory: Remembered
) -> HTMLResponse:
    """Draw who talks to whom."""
    now = services.clock.now()
    with services.reading() as store:
        since = now - MAP_HOURS * 3600 * SECOND
        pairs = memory.of("map", lambda: store.traffic.top(TrafficKind.PAIR, since, now, MAP_PAIRS))
        names = Names(store, asker)
        names.learn(name for each in pairs for name in (each.name, each.peer))
    return page(request, "map.html", drawing=draw(pairs, names), pairs=pairs, names=names)


@router.get("/devices/{name}", dependencies=[_READ])
def device(request: Request, services: Served, asker: Asker, name: DeviceName) -> HTMLResponse:
    """Show a device, or an address of others."""
    now = services.clock.now()
    with services.reading() as store:
        found = store.devices.named([name.lower()]).get(name.lower())
        values = _read(store, asker, found, name.lower(), now)
    return page(
        request,
        "device.html",
        device=found,
        name=name.lower(),
        categories=CATEGORIES,
        concluded=CONCLUDED,
        Attribute=Attribute,
        **values,
    )


def _read(
    store: Store, asker: Identity, device: Device | None, name: str, now: int
) -> dict[str, Any]:
    """Return what stands on the page of a device; of what one may not see, nothing."""
    key = (device.mac or device.ip) if device is not None else name
    address = device.ip if device is not None else name
    names = Names(store, asker)
    talk = _talk(store, key, address, now) if asker.may("flows:read") else _SILENCE
    findings: Sequence[Finding] = ()
    if asker.may("findings:read"):
        findings = store.findings.list(FindingFilter(party=address or key), 10)
    names.learn(end for pair in talk["pairs"] for end in (pair.name, pair.peer))
    names.learn(end for flow in talk["flows"] for end in (flow.src, flow.dst))
    names.learn(each.subject.device or each.subject.ip for each in findings)
    known = _known_of(store, device)
    names.learn(each.peer.partition(":")[2] for each, _ in known["habits"])
    standing: list[Decision] = []
    if asker.may("decisions:read"):
        for target in {each for each in (address, key, name) if each}:
            standing += store.decisions.list(DecisionFilter(target=target, standing=True), 5)
    return {
        "names": names,
        "key": key,
        "address": address,
        "findings": findings,
        "standing": standing,
        "events": store.devices.events(device.id, limit=12) if device is not None else [],
        "labels": store.labels.of([each.id for each in findings]),
        **talk,
        **known,
    }


_SILENCE: Mapping[str, Any] = {"pairs": (), "flows": (), "heat": ()}


def _talk(store: Store, key: str, address: str, now: int) -> Mapping[str, Any]:
    """Return whom it talks to, and when it is busy."""
    week = now - HEAT_DAYS * 86_400 * SECOND
    return {
        "pairs": store.traffic.peers(key, now - 24 * 3600 * SECOND, now, 12),
        "flows": store.flows.list(FlowFilter(host=address), 15),
        "heat": heat_of(store.traffic.of(key, week, now), now, HEAT_DAYS),
    }


def _known_of(store: Store, device: Device | None) -> dict[str, Any]:
    """Return what is known of a device of ours: its vulnerabilities, and what is normal for it."""
    if device is None:
        return {"affected": [], "profile": None, "habits": []}
    profile = store.profiles.get(device.id)
    habits = sorted(profile.keys.items(), key=lambda each: -each[1].flows) if profile else []
    return {
        "affected": Matcher(store.vulnerabilities).affected(software_of(device)),
        "profile": profile,
        "habits": habits[:MAX_HABITS],
    }


@router.post("/devices/{name}", dependencies=[_WRITE])
def edit_device(
    request: Request,
    services: Served,
    asker: Asker,
    name: DeviceName,
    act: Annotated[Literal["rename", "label", "tell", "merge", "split", "forget"], Form()],
    value: Annotated[str, Form(max_length=256)] = "",
    attribute: Annotated[Literal["", "vendor", "product", "category", "system"], Form()] = "",
    removed: Annotated[str, Form(max_length=256)] = "",
) -> Response:
    """Change what is known of a device."""
    to = f"/devices/{quote(name, safe='')}"
    values = tuple(value.split()) if act == "label" else (value,) if act != "forget" else ()
    if act == "tell":
        values = (f"{attribute}={value}",)
    try:
        services.steered(
            "devices.edit",
            asker.name,
            act=act,
            device=name,
            values=values,
            removed=tuple(removed.split()),
        )
    except PhageError as error:
        return back(request, to, str(error), bad=True)
    request.state.audit = f"{act} {value or attribute}".strip()
    if act == "forget":
        return back(request, "/devices", "Forgotten; it is new when it is seen again.")
    return back(request, to, "Noted.")
