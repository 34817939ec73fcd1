"""The search box: leads straight to what is meant, or lists what might be."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.policy.target import parse_target
from phage.store.repositories.decisions import DecisionFilter
from phage.store.repositories.devices import DeviceFilter
from phage.store.repositories.findings import FindingFilter
from phage.web.names import Names
from phage.web.render import page

router = APIRouter(include_in_schema=False)

MOST = 20


@router.get("/search", dependencies=[Depends(needs("devices:read"))])
def search(
    request: Request,
    services: Served,
    asker: Asker,
    q: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Find devices, findings and decisions by name, address or id."""
    wanted = q.strip()
    if not wanted:
        return RedirectResponse("/devices", 303)
    address = _address(wanted)
    with services.reading() as store:
        exact = store.devices.named([wanted.lower()]).get(wanted.lower())
        is_id = wanted.isalnum() and len(wanted) >= 8 and asker.may("findings:read")
        finding = store.findings.get(wanted) if is_id else None
        devices = store.devices.search(DeviceFilter(wanted), MOST)
        findings = (
            store.findings.list(FindingFilter(party=address), MOST)
            if address and asker.may("findings:read")
            else []
        )
        decisions = (
            store.decisions.list(DecisionFilter(target=address), 5)
            if address and asker.may("decisions:read")
            else []
        )
        names = Names(store, asker)
        names.learn(each.subject.device or each.subject.ip for each in findings)
    if exact is not None:
        return RedirectResponse(f"/devices/{quote(exact.id, safe='')}", 303)
    if finding is not None:
        return RedirectResponse(f"/findings/{finding.id}", 303)
    if len(devices) == 1 and not findings:
        return RedirectResponse(f"/devices/{quote(devices[0].id, safe='')}", 303)
    return page(
        request,
        "search.html",
        q=wanted,
        address=address,
        devices=devices,
        findings=findings,
        decisions=decisions,
        names=names,
    )


def _address(text: str) -> str:
    """Return an address, network or MAC address as it is stored; '' for another text."""
    try:
        target = parse_target(text)
    except ValueError:
        return ""
    return "" if str(target.kind) == "domain" else target.value
