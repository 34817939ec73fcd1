"""TAXII 2.1 (OASIS): attackers that phage saw, as one collection of STIX 2.1 indicators.

Served where `intel.share.taxii` is on, to who shows a token that may read what is shared: as
Bearer, or as the password of HTTP basic authentication, which TAXII clients know. Nothing is taken.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse

from phage.api.moments import Moment, moment
from phage.api.problem import ProblemError
from phage.api.security import needs
from phage.api.services import Served, Services
from phage.clock import rfc3339
from phage.intel.share import Sharing, offences, stix_objects
from phage.store.repositories.findings import FindingFilter

MEDIA_TYPE = "application/taxii+json;version=2.1"
STIX_TYPE = "application/stix+json;version=2.1"
COLLECTION = "6bfa9eab-a4c9-4f2b-9a5e-8f6dbb6f7f10"
"""The collection's identifier: phage has one, the same everywhere."""

MOST = 10_000
"""Findings that are looked through, the latest."""

LIMIT = 1000
"""Objects of a page at most."""


class TaxiiResponse(JSONResponse):
    """An answer of TAXII's type."""

    media_type = MEDIA_TYPE


router = APIRouter(
    prefix="/taxii2",
    tags=["taxii"],
    default_response_class=TaxiiResponse,
    dependencies=[Depends(needs("shared:read"))],
)

CollectionId = Annotated[str, Path(max_length=64)]
Type = Annotated[str, Query(alias="match[type]", max_length=256)]
Id = Annotated[str, Query(alias="match[id]", max_length=4096)]
Limit = Annotated[int, Query(ge=1, le=10**9)]
Next = Annotated[str, Query(max_length=128, pattern="^([0-9]{1,19}_[a-z0-9-]+)?$")]


@router.get("/")
def discover(request: Request, services: Served) -> Any:
    """Tell where the API root is."""
    _sharing(services)
    root = str(request.url_for("show_root"))
    return {"title": "phage", "default": root, "api_roots": [root]}


@router.get("/api/", name="show_root")
def show_root(services: Served) -> Any:
    """Show the API root."""
    _sharing(services)
    return {"title": "phage", "versions": [MEDIA_TYPE], "max_content_length": 1024}


@router.get("/api/collections/")
def list_collections(services: Served) -> Any:
    """List collections: there is one."""
    return {"collections": [_collection(services)]}


@router.get("/api/collections/{id}/")
def show_collection(services: Served, id: CollectionId) -> Any:
    """Show the collection."""
    _known(id)
    return _collection(services)


Added = list[tuple[int, dict[str, Any]]]


def _page_asked_for(
    services: Served,
    id: CollectionId,
    added_after: Moment = None,
    type: Type = "",
    match_id: Id = "",
    limit: Limit = LIMIT,
    next: Next = "",
) -> tuple[Added, str]:
    """Return a page of objects with the times of their addition, and where it goes on."""
    _known(id)
    return _page(_wanted(services, added_after, type, match_id), next, limit)


Paged = Annotated[tuple[Added, str], Depends(_page_asked_for)]


@router.get("/api/collections/{id}/objects/")
def list_objects(paged: Paged) -> TaxiiResponse:
    """List objects in the order in which they were added, a page at a time."""
    page, _ = paged
    return _envelope([each for _, each in page], paged)


@router.get("/api/collections/{id}/manifest/")
def list_manifest(paged: Paged) -> TaxiiResponse:
    """List what objects there are, without what is in them."""
    page, _ = paged
    rows = [
        {
            "id": each["id"],
            "date_added": rfc3339(added),
            "version": each["modified"],
            "media_type": STIX_TYPE,
        }
        for added, each in page
    ]
    return _envelope(rows, paged)


@router.get("/api/collections/{id}/objects/{object_id}/")
def show_object(
    services: Served, id: CollectionId, object_id: Annotated[str, Path(max_length=128)]
) -> TaxiiResponse:
    """Show one object."""
    _known(id)
    page = _wanted(services, None, "", object_id)
    if not page:
        message = "there is no such object"
        raise ProblemError(404, message)
    return TaxiiResponse({"objects": [each for _, each in page]}, headers=_headers(page))


def _sharing(services: Services) -> Sharing:
    if services.sharing is None:
        message = "nothing is shared here: intel.share.taxii is off"
        raise ProblemError(404, message)
    return services.sharing


def _collection(services: Services) -> dict[str, Any]:
    return {
        "id": COLLECTION,
        "title": f"Attackers seen by {_sharing(services).name}",
        "can_read": True,
        "can_write": False,
        "media_types": [STIX_TYPE],
    }


def _known(id: str) -> None:
    if id != COLLECTION:
        message = "there is no such collection"
        raise ProblemError(404, message)


def _wanted(services: Services, after: str | None, types: str, ids: str) -> Added:
    """Return the objects that a request asks for (TAXII 2.1, section 3.4)."""
    sharing = _sharing(services)
    since = services.clock.now() - int(sharing.seconds * 1e9)
    with services.reading() as store:
        wanted = FindingFilter(severity=sharing.least, since=since)
        found = store.findings.list(wanted, MOST)
    added = moment(after, "added_after")
    kinds = set(filter(None, types.split(",")))
    names = set(filter(None, ids.split(",")))
    return [
        (time, each)
        for time, each in stix_objects(offences(found, sharing.home), sharing.name)
        if (added is None or time > added)
        and (not kinds or each["type"] in kinds)
        and (not names or each["id"] in names)
    ]


def _page(found: Added, after: str, limit: int) -> tuple[Added, str]:
    """Return a page, and where it goes on; '' where it is the last."""
    if after:
        time, _, name = after.partition("_")
        found = [each for each in found if (each[0], each[1]["id"]) > (int(time), name)]
    page = found[: min(limit, LIMIT)]
    return page, f"{page[-1][0]}_{page[-1][1]['id']}" if len(page) < len(found) else ""


def _envelope(objects: list[dict[str, Any]], paged: tuple[Added, str]) -> TaxiiResponse:
    """Return an envelope (TAXII 2.1, section 3.7); it is empty where there is nothing."""
    page, following = paged
    body: dict[str, Any] = {"objects": objects} if objects else {}
    if following:
        body |= {"more": True, "next": following}
    return TaxiiResponse(body, headers=_headers(page))


def _headers(page: Added) -> dict[str, str]:
    if not page:
        return {}
    return {
        "X-TAXII-Date-Added-First": rfc3339(page[0][0]),
        "X-TAXII-Date-Added-Last": rfc3339(page[-1][0]),
    }
