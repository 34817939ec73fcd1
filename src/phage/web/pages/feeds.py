"""Threat feeds: how old, how large, how much they share, and what was met of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.store.repositories.findings import FindingFilter
from phage.web.names import Names
from phage.web.render import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records import Finding
    from phage.store.store import Store

router = APIRouter(include_in_schema=False)

MAX_HITS = 20


@router.get("/feeds", dependencies=[Depends(needs("feeds:read"))])
def feeds(
    request: Request,
    services: Served,
    asker: Asker,
    q: Annotated[str, Query(max_length=256)] = "",
) -> HTMLResponse:
    """Show feeds, and look indicators up."""
    wanted = q.strip() if asker.may("indicators:read") else ""
    with services.reading() as store:
        states = sorted(store.indicators.states().values(), key=lambda each: each.name)
        found = store.indicators.search(wanted, limit=50) if wanted else []
        hits = _hits(store) if asker.may("findings:read") else []
        names = Names(store, asker)
        names.learn(each.subject.device or each.subject.ip for each in hits)
        labels = store.labels.of([each.id for each in hits])
    catalog = services.catalog() if services.catalog is not None else None
    return page(
        request,
        "feeds.html",
        mentions=catalog.check(wanted) if catalog is not None and wanted else (),
        alone=catalog.alone if catalog is not None else {},
        feeds=states,
        q=q,
        found=found,
        hits=hits,
        names=names,
        labels=labels,
    )


def _hits(store: Store) -> Sequence[Finding]:
    return store.findings.list(FindingFilter(detector="intelmatch"), MAX_HITS)
