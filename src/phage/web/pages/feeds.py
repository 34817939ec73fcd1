"""Threat feeds: how old, how large, how much they share, and what was met of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.feeds import FEED_KEY, FEED_NAME, feed_hits
from phage.api.security import Asker, needs
from phage.api.services import Served, running
from phage.errors import PhageError
from phage.records.feedstate import FeedState
from phage.store.repositories.findings import FindingFilter
from phage.web.names import Names
from phage.web.render import back, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records import Finding
    from phage.store.store import Store

router = APIRouter(include_in_schema=False)

MAX_HITS = 20

_WRITE = Depends(needs("feeds:write"))


@router.get("/feeds", dependencies=[Depends(needs("feeds:read"))])
def feeds(
    request: Request,
    services: Served,
    asker: Asker,
    q: Annotated[str, Query(max_length=256)] = "",
) -> HTMLResponse:
    """Show feeds, and look indicators up."""
    wanted = q.strip() if asker.may("indicators:read") else ""
    desk = services.feeds
    chosen = desk.feeds() if desk is not None else {}
    with services.reading() as store:
        states = store.indicators.states()
        counts = feed_hits(store)
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
        feeds=[states.get(name, FeedState(name)) for name in sorted({*states, *chosen})],
        chosen=chosen,
        counts=counts,
        kinds=desk.kinds() if desk is not None and asker.may("feeds:write") else (),
        q=q,
        found=found,
        hits=hits,
        names=names,
        labels=labels,
    )


def _hits(store: Store) -> Sequence[Finding]:
    return store.findings.list(FindingFilter(detector="intelmatch"), MAX_HITS)


@router.post("/feeds", dependencies=[_WRITE])
def add_feed(
    request: Request,
    services: Served,
    name: Annotated[str, Form(pattern=FEED_NAME)],
    kind: Annotated[str, Form(max_length=64)],
    key: Annotated[list[str], Form(max_length=4)] = [],  # noqa: B006  FastAPI copies it.
    value: Annotated[list[str], Form(max_length=4)] = [],  # noqa: B006
    hours: Annotated[float, Form(ge=1, le=720)] = 6.0,
    secret: Annotated[str, Form(pattern=FEED_KEY)] = "",
) -> Response:
    """Add a feed."""
    settings = {name: text for name, text in zip(key, value, strict=False) if name and text}
    try:
        desk = running(services.feeds, "threat intelligence")
        desk.add(name, kind, settings, hours * 3600, secret)
    except PhageError as error:
        return back(request, "/feeds", str(error), bad=True)
    request.state.audit = f"feed {name} ({kind})"
    return back(request, "/feeds", f"{name} was added; it is got now")


@router.post("/feeds/{name}", dependencies=[_WRITE])
def change_feed(
    request: Request,
    services: Served,
    name: Annotated[str, Path(pattern=FEED_NAME)],
    act: Annotated[Literal["enable", "disable", "update", "test"], Form()],
) -> Response:
    """Enable, disable, get or try a feed."""
    desk = running(services.feeds, "threat intelligence")
    try:
        if act == "update":
            desk.update(name)
            done = f"{name} is got soon"
        elif act == "test":
            done = f"{name}: {_trial(desk.test(name))}"
        else:
            desk.enable(name, on=act == "enable")
            done = f"{name} is {act}d"
    except PhageError as error:
        return back(request, "/feeds", str(error), bad=True)
    request.state.audit = f"feed {name}: {act}"
    return back(request, "/feeds", done)


def _trial(state: FeedState | None) -> str:
    if state is None:
        return "it is still got; test it again in a moment"
    if state.fault:
        return state.fault
    left = ", ".join(f"{count} {reason}" for reason, count in state.left_out.items())
    return f"{state.entries} entries would be used" + (f"; left out: {left}" if left else "")
