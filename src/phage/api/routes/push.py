"""Browsers that are told of findings while no page is open (Web Push): one's own."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from phage.access.identity import Identity
from phage.api.desks import PushDesk
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.clock import rfc3339
from phage.notify.webpush import LONGEST_ENDPOINT, recipient
from phage.records.browser import Browser

router = APIRouter(prefix="/api/v1/push", tags=["push"])

_READ = Depends(needs("account:read"))
_WRITE = Depends(needs("account:write"))

BrowserId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Its id.")]


class BrowserRow(BaseModel):
    """A browser that is told, without what would let others tell it something."""

    id: str
    service: str = Field(description="Host of its maker's push service.")
    agent: str = Field(description="What it calls itself.")
    created: str
    told: str = Field(description="When it was told last; empty for never.")
    failures: int = Field(description="Attempts in a row that failed.")


class PushInfo(BaseModel):
    """What a browser needs to subscribe, and one's own that are."""

    key: str = Field(description="applicationServerKey: a point of P-256 in base64url.")
    browsers: list[BrowserRow]


class Keys(BaseModel):
    """What messages are encrypted for (RFC 8291, section 2)."""

    p256dh: Annotated[str, Field(max_length=128, description="A point of P-256 in base64url.")]
    auth: Annotated[str, Field(max_length=64, description="16 octets in base64url.")]


class Subscription(BaseModel):
    """What PushSubscription.toJSON() returns."""

    endpoint: Annotated[str, Field(max_length=LONGEST_ENDPOINT, description="An https URL.")]
    keys: Keys


class Tested(BaseModel):
    """How many browsers' push services took a test."""

    told: int


def _desk(services: Services) -> PushDesk:
    return running(services.push, "Web Push")


def browser_row(browser: Browser) -> BrowserRow:
    """Return a browser as it is shown."""
    return BrowserRow(
        id=browser.id,
        service=browser.endpoint.split("/")[2].rpartition("@")[2],
        agent=browser.agent,
        created=rfc3339(browser.created),
        told=rfc3339(browser.told) if browser.told else "",
        failures=browser.failures,
    )


@router.get("", dependencies=[_READ])
def show(services: Served, asker: Asker) -> PushInfo:
    """Tell what a browser needs to subscribe, and list one's own."""
    found = services.writing.browsers.list(asker.user)
    return PushInfo(key=_desk(services).key(), browsers=[browser_row(each) for each in found])


@router.post("", status_code=201, dependencies=[_WRITE])
def subscribe(body: Subscription, request: Request, services: Served, asker: Asker) -> BrowserRow:
    """Have a browser told of findings; of many of one user the oldest is no longer."""
    _in_session(asker)
    _desk(services)
    recipient(body.endpoint, body.keys.p256dh, body.keys.auth)
    digest = hashlib.sha256(body.endpoint.encode("utf-8", "replace")).hexdigest()[:16]
    browser = Browser(
        digest, asker.user, body.endpoint, body.keys.p256dh, body.keys.auth,
        request.headers.get("User-Agent", "")[:256], services.clock.now(),
    )  # fmt: skip
    services.writing.browsers.save(browser)
    request.state.audit = f"browser {digest}"
    return browser_row(browser)


@router.post("/test", dependencies=[_WRITE])
def test(request: Request, services: Served, asker: Asker) -> Tested:
    """Tell one's own browsers that this is a test."""
    request.state.unaudited = True  # It changes nothing.
    return Tested(told=_desk(services).test(asker.user))


@router.delete("/{id}", status_code=204, dependencies=[_WRITE])
def remove(services: Served, id: BrowserId, asker: Asker) -> None:
    """Tell one of one's own browsers no more."""
    forget_browser(services, asker, id)


def forget_browser(services: Services, asker: Identity, id: str) -> None:
    """Forget a browser of who asks. Raises ProblemError for another's, as for none."""
    mine = [each.id for each in services.writing.browsers.list(asker.user)]
    if id not in mine:
        message = f"there is no browser {id!r}; GET /api/v1/push names yours"
        raise ProblemError(404, message)
    services.writing.browsers.remove(id)


def _in_session(asker: Identity) -> None:
    """Raise ProblemError for a token: no program subscribes a browser."""
    if not asker.session:
        message = "a token cannot subscribe a browser; log in with it"
        raise ProblemError(403, message, kind="session-only")
