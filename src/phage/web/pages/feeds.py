"""Threat feeds: how old, how large, how much they share, and what was met of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served
from phage.store.repositories.findings import FindingFilter
from phage.web.names import Names
from phage.web.render import page

router = APIRouter(include_in_schema=False)

MAX_HITS = 20


@router.get("/feeds", dependencies=[Depends(needs("feeds:read"))])
def feeds(
    request: Request, services: Served, q: Annotated[str, Query(max_length=256)] = ""
) -> HTMLResponse:
    """Show feeds, and look indicators up."""
    with services.reading() as store:
        states = sorted(store.indicators.states().values(), key=lambda each: each.name)
        found = store.indicators.search(q.strip(), limit=50) if q.strip() else []
        hits = store.findings.list(FindingFilter(detector="intelmatch"), MAX_HITS)
        names = Names(store)
        names.learn(each.subject.device or each.subject.ip for each in hits)
        labels = store.labels.of([each.id for each in hits])
    catalog = services.catalog() if services.catalog is not None else None
    return page(
        request,
        "feeds.html",
        mentions=catalog.check(q.strip()) if catalog is not None and q.strip() else (),
        alone=catalog.alone if catalog is not None else {},
        feeds=states,
        q=q,
        found=found,
        hits=hits,
        names=names,
        labels=labels,
    )
