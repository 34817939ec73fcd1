"""Threat intelligence: feeds, indicators, and threats as PhantomFirewall's clients know them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from phage.api.desks import FeedsDesk
from phage.api.feeds import FEED_KEY, FEED_NAME, feed_hits
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.security import needs
from phage.api.services import Served, Services, running
from phage.clock import rfc3339
from phage.intel.entries import Entries
from phage.intel.update import imported
from phage.records.feedstate import FeedState
from phage.records.indicator import Indicator, IndicatorKind

router = APIRouter(prefix="/api/v1", tags=["intel"])

OWN = "own"
"""The feed of what a person added."""

MAX_THREATS = 100_000

FeedName = Annotated[str, Field(pattern=FEED_NAME)]
NamedFeed = Annotated[str, Path(pattern=FEED_NAME)]

_WRITE = Depends(needs("feeds:write"))


class FeedRow(BaseModel):
    """How a feed does. Times are empty for never."""

    name: str
    type: str = Field(description="Its plug-in; empty for one that is no longer in the settings.")
    enabled: bool
    entries: int = Field(description="Entries in force.")
    updated: str
    tried: str
    due: str
    failures: int = Field(description="Failures in a row.")
    fault: str
    left_out: dict[str, int] = Field(description="Entries that were left out, by reason.")
    only_here: float | None = Field(
        description="The part of its networks that no other feed lists, 0 to 1."
    )
    hits: int = Field(description="Findings that name it, of the latest 1,000 of each detector.")


class FeedSettingRow(BaseModel):
    """One setting of a kind of feed."""

    name: str
    default: str
    meaning: str


class FeedKindRow(BaseModel):
    """A kind of feed."""

    name: str
    summary: str
    terms: str = Field(description="What its maker asks of users.")
    settings: list[FeedSettingRow]
    takes_key: bool = Field(description="Its maker gives users keys.")


class FeedAdded(BaseModel):
    """A feed that was added. It is got from public addresses only."""

    name: FeedName
    type: Annotated[str, Field(max_length=64, description="A kind of feed.")]
    every: Annotated[float, Field(ge=300, le=30 * 86_400, description="Seconds.")] = 21_600.0
    settings: Annotated[
        dict[Annotated[str, Field(max_length=64)], str | int | float | bool],
        Field(max_length=32, description="Settings of its kind, such as url."),
    ] = {}


class FeedBody(FeedAdded):
    """A feed to add."""

    key: Annotated[
        str,
        Field(pattern=FEED_KEY, description="Where its maker gives one; it is never told again."),
    ] = ""


class FeedChange(BaseModel):
    """What is to be changed of a feed."""

    enabled: bool


class FeedTrial(BaseModel):
    """How a feed does when it is got once, and nothing is kept."""

    done: bool = Field(description="False: it is still got; ask again.")
    entries: int = 0
    left_out: dict[str, int] = {}
    fault: str = ""


class IndicatorRow(Row):
    """One indicator, as one feed tells it."""

    value: str
    kind: IndicatorKind
    feed: str
    confidence: int
    first_seen: str
    last_seen: str
    expires: str
    tags: list[str]
    description: str
    tlp: str


class IndicatorBody(BaseModel):
    """An indicator of one's own."""

    value: Annotated[str, Field(min_length=1, max_length=2048)]
    kind: Annotated[IndicatorKind | None, Field(description="As it looks, where empty.")] = None
    confidence: Annotated[int, Field(ge=0, le=100)] = 90
    description: Annotated[str, Field(max_length=1000)] = ""
    tags: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=32)] = []


class Threats(BaseModel):
    """What is known to be malicious, with PhantomFirewall's names."""

    malicious_ips: list[str] = Field(description="Addresses and networks.")
    last_update: str | None = Field(description="When a feed last gave something.")
    total: int = Field(description="How many there are in all.")


class ThreatBody(BaseModel):
    """An address that is to be known as malicious."""

    ip: Annotated[str, Field(min_length=1, max_length=64)]


def _time(moment: int) -> str:
    return rfc3339(moment) if moment else ""


@router.get("/feeds", dependencies=[Depends(needs("feeds:read"))])
def list_feeds(services: Served) -> list[FeedRow]:
    """List feeds, by name, and how they do."""
    with services.reading() as store:
        states = store.indicators.states()
        hits = feed_hits(store)
    chosen = services.feeds.feeds() if services.feeds is not None else {}
    alone = services.catalog().alone if services.catalog is not None else {}
    return [
        FeedRow(
            name=name,
            type=chosen[name].type if name in chosen else "",
            enabled=name in chosen and chosen[name].enabled,
            entries=state.entries,
            updated=_time(state.updated),
            tried=_time(state.tried),
            due=_time(state.due),
            failures=state.failures,
            fault=state.fault,
            left_out=dict(state.left_out),
            only_here=alone.get(name),
            hits=hits[name],
        )
        for name in sorted({*chosen, *states})
        for state in (states.get(name, FeedState(name)),)
    ]


@router.get("/feeds/kinds", dependencies=[Depends(needs("feeds:read"))])
def list_feed_kinds(services: Served) -> list[FeedKindRow]:
    """List kinds of feeds, with the settings that may be given here."""
    return [
        FeedKindRow(
            name=kind.name,
            summary=kind.summary,
            terms=kind.terms,
            settings=[
                FeedSettingRow(name=each.key[0], default=each.default, meaning=each.meaning)
                for each in kind.settings
            ],
            takes_key=kind.takes_key,
        )
        for kind in _desk(services).kinds()
    ]


@router.post("/feeds", status_code=201, dependencies=[_WRITE])
def add_feed(body: FeedBody, request: Request, services: Served) -> FeedAdded:
    """Add a feed; it is got at once. Files and addresses at home are refused."""
    _desk(services).add(body.name, body.type, body.settings, body.every, body.key)
    request.state.audit = f"feed {body.name} ({body.type})"
    return body  # As what is added: without its key.


@router.patch("/feeds/{name}", dependencies=[_WRITE])
def change_feed(
    name: NamedFeed, body: FeedChange, request: Request, services: Served
) -> FeedChange:
    """Enable a feed, or disable it: it is not got then, and not used."""
    _desk(services).enable(name, on=body.enabled)
    request.state.audit = f"feed {name}: {'enabled' if body.enabled else 'disabled'}"
    return body


@router.post("/feeds/{name}/update", status_code=202, dependencies=[_WRITE])
def update_feed(name: NamedFeed, request: Request, services: Served) -> FeedChange:
    """Have a feed got soon; its maker's interval is kept. How it went stands in the list."""
    _desk(services).update(name)
    request.state.audit = f"feed {name}"
    return FeedChange(enabled=True)


@router.post("/feeds/{name}/test", dependencies=[_WRITE])
def test_feed(name: NamedFeed, request: Request, services: Served) -> FeedTrial:
    """Get a feed once and tell what would be used of it; nothing is kept."""
    state = _desk(services).test(name)
    request.state.audit = f"feed {name}"
    if state is None:
        return FeedTrial(done=False)
    return FeedTrial(
        done=True, entries=state.entries, left_out=dict(state.left_out), fault=state.fault
    )


def _desk(services: Services) -> FeedsDesk:
    return running(services.feeds, "threat intelligence")


@router.get(
    "/indicators",
    response_model=Page[IndicatorRow],
    dependencies=[Depends(needs("indicators:read"))],
)
def list_indicators(
    services: Served,
    text: Annotated[str, Query(max_length=200, description="In value, tags, description.")] = "",
    kind: Annotated[IndicatorKind | None, Query(description="Only of this kind.")] = None,
    feed: Annotated[str, Query(max_length=100, description="Only of this feed.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List indicators that say more than a network, by value."""
    after = Keys((str, str, str)).read(cursor)
    values = (str(after[0]), str(after[1]), str(after[2])) if after else None
    with services.reading() as store:
        found = store.indicators.search(text, str(kind or ""), feed, limit + 1, values)
    return page_of(
        found, limit, lambda each: (each.value, each.feed, str(each.kind)), _shape, fields
    )


@router.post("/indicators", status_code=201, dependencies=[Depends(needs("indicators:write"))])
def add_indicator(body: IndicatorBody, request: Request, services: Served) -> IndicatorRow:
    """Add an indicator of one's own; one about our own networks or the well known is refused."""
    entries = Entries(OWN, body.confidence)
    entries.add(body.value, body.kind, tags=body.tags, description=body.description)
    return IndicatorRow.model_validate(_shape(_added(services, entries, request)))


def _added(services: Served, entries: Entries, request: Request) -> Indicator:
    if not entries.found:
        message = "that is no address, network, name, URL, hash or fingerprint"
        raise ProblemError(422, message)
    found = entries.found[0]
    verdict = imported(entries.found, services.home)
    if verdict.held or (
        found.kind is IndicatorKind.NETWORK and found.value not in set(verdict.networks.texts())
    ):
        reason = verdict.held or ", ".join(verdict.left_out)
        message = f"{found.value} was not added: {reason}"
        raise ProblemError(409, message, kind="refused")
    services.writing.indicators.save([found])
    request.state.audit = f"{found.kind} {found.value}"
    return found


@router.get("/threats", dependencies=[Depends(needs("indicators:read"))])
def threats(
    services: Served,
    limit: Annotated[int, Query(ge=1, le=MAX_THREATS, description="Addresses, at most.")] = 10_000,
) -> Threats:
    """List addresses and networks that feeds name."""
    catalog = running(services.catalog, "threat intelligence")()
    found: dict[str, None] = {}
    total = 0
    for source in catalog.sources:
        total += len(source.networks)
        if len(found) < limit:
            found.update(dict.fromkeys(source.networks.texts(limit - len(found))))
    latest = max((source.updated for source in catalog.sources), default=0)
    return Threats(
        malicious_ips=list(found)[:limit],
        last_update=rfc3339(latest) if latest else None,
        total=total,
    )


@router.post("/threats/ip", status_code=201, dependencies=[Depends(needs("indicators:write"))])
def add_threat(body: ThreatBody, request: Request, services: Served) -> IndicatorRow:
    """Add an address to one's own indicators."""
    entries = Entries(OWN, 90)
    entries.add(body.ip, IndicatorKind.NETWORK)
    return IndicatorRow.model_validate(_shape(_added(services, entries, request)))


def _shape(indicator: Indicator) -> dict[str, Any]:
    return {
        "value": indicator.value,
        "kind": indicator.kind,
        "feed": indicator.feed,
        "confidence": indicator.confidence,
        "first_seen": _time(indicator.first_seen),
        "last_seen": _time(indicator.last_seen),
        "expires": _time(indicator.expires),
        "tags": list(indicator.tags),
        "description": indicator.description,
        "tlp": indicator.tlp,
    }
