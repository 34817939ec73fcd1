"""Profiles and fences: what devices normally do, and holding them to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from phage.api.problem import ProblemError
from phage.api.profileshapes import profile_shape, proposal_shape
from phage.api.routes.decisions import Decided
from phage.api.routes.devices import Edit, Edited, FoundDevice, steering
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.devices.fence import Grade
from phage.devices.mud import MAX_OCTETS, MudError, read_mud, to_mud
from phage.devices.mudfetch import fetched, told_place
from phage.devices.proposal import DAYS, check_accepted, propose
from phage.records.profile import Profile

router = APIRouter(prefix="/api/v1/devices/{id}", tags=["devices"])

_READ = Depends(needs("devices:read"))
_FLOWS = Depends(needs("flows:read"))
_WRITE = Depends(needs("devices:write"))
_RULES = Depends(needs("rules:write"))
_DECISIONS = Depends(needs("decisions:write"))

LONGEST_RULES = 131_072
"""Characters of the rules of one device."""


class BeforeRow(BaseModel):
    """What a key usually comes after."""

    way: Literal["out", "in"]
    protocol: int
    port: int
    peer: str
    share: float = Field(description="In which share of cases, of late, 0 to 1.")


class KeyRow(BaseModel):
    """What a device does with one peer by one service."""

    way: Literal["out", "in"] = Field(description="Who begins: the device (out), or others (in).")
    protocol: int
    port: int = Field(description="The service; -1: chosen anew each time, 0: has none.")
    peer: str = Field(description="Domain, network, role at home, group, or name looked up.")
    flows: int
    sent: int
    received: int
    days: int
    first: str
    last: str
    period_s: float
    jitter: float
    most_a_minute: int
    failed: int = Field(description="Uses that nobody answered.")
    usual_octets: int = Field(description="Octets of a usual use, both ways; 0: not known.")
    after: list[BeforeRow] = Field(description="What it usually comes within 30 s after.")
    hours: list[int] = Field(description="Hours of the week (UTC), Monday 00-01 is 0.")


class ProfileRow(BaseModel):
    """What a device normally does."""

    device: str
    phase: Literal["observe", "propose", "enforce"]
    since: str
    until: str
    keys: list[KeyRow] = Field(description="What is normal.")
    waiting: list[KeyRow] = Field(description="What is not held to be normal yet.")
    rates: dict[str, float] = Field(description="Most of each in a minute.")
    names: dict[str, str] = Field(description="Names by address, as name servers told it.")
    claims: dict[str, str] = Field(description="Names by address, as only its own hellos say.")
    dropped: int
    renewed: str = Field(description="When it fetched what may be new firmware; empty: never.")


class BlockedRow(BaseModel):
    """Flows that a fence would have blocked."""

    way: Literal["out", "in"]
    protocol: int
    port: int
    peer: str
    address: str
    flows: int
    last: str


class Proposed(BaseModel):
    """A fence that nobody has put up yet."""

    device: str
    phase: str
    objection: str = Field(description="Why it should not be put up; empty: nothing against it.")
    rules: str = Field(description="The rule file, to be edited and handed to enforce.")
    would_have_blocked: list[BlockedRow]
    acceptance: str = Field(
        description="Hand it to enforce to accept what would have been blocked; empty: nothing."
    )
    days: int


class FenceBody(BaseModel):
    """How a device is fenced in."""

    grade: Literal["notify", "limit", "block", "quarantine"] = "block"
    rules: Annotated[
        str, Field(max_length=LONGEST_RULES, description="Edited rules; empty: of its profile.")
    ] = ""
    force: Annotated[bool, Field(description="Also where something speaks against it.")] = False
    accept: Annotated[
        str, Field(max_length=64, description="`acceptance` of its proposal: it may block that.")
    ] = ""
    days: Annotated[int, Field(ge=1, le=90, description="Days it is tried on.")] = DAYS


class Fenced(BaseModel):
    """What became of a fence."""

    device: str
    there: bool = Field(description="It had a fence before.")
    rules: int = Field(description="Rules that are asked now, in all.")
    enforced: bool = Field(description="Rules block: policy.enforce is on.")


class QuarantineBody(BaseModel):
    """How long a device is isolated."""

    seconds: Annotated[float, Field(ge=1, le=366 * 86_400)] = 86_400.0
    reason: Annotated[str, Field(max_length=500)] = ""


class Held(BaseModel):
    """The decisions that hold a device in quarantine, one for each of its addresses."""

    decisions: list[Decided]


class Keys(BaseModel):
    """Things that a device may do."""

    keys: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=320)]],
        Field(min_length=1, max_length=400, description='As "out 6 443 name:example.org".'),
    ]


class MudBody(BaseModel):
    """A manufacturer usage description (RFC 8520)."""

    document: Annotated[str, Field(max_length=MAX_OCTETS, description="The file, as text.")]


class Described(Edited):
    """What a description made normal."""

    keys: int = Field(description="Things that are normal by it.")


def _known(services: Served, device: FoundDevice) -> Profile:
    with services.reading() as store:
        profile = store.profiles.get(device.id)
    if profile is None:
        message = f"{device.shown}: nothing is known yet of what it does"
        raise ProblemError(404, message)
    return profile


KnownProfile = Annotated[Profile, Depends(_known)]
"""What the device that the path names normally does."""


Fence = Annotated[Callable[..., Any], Depends(steering("devices.fence"))]
"""Tells the daemon what to do with the fence of the device that the path names."""


@router.get("/profile", response_model=ProfileRow, dependencies=[_READ])
def show_profile(profile: KnownProfile) -> Any:
    """Show what a device normally does."""
    return profile_shape(profile)


@router.get("/proposal", response_model=Proposed, dependencies=[_FLOWS, Depends(_known)])
def propose_fence(
    services: Served,
    device: FoundDevice,
    grade: Grade = Grade.BLOCK,
    days: Annotated[int, Query(ge=1, le=90, description="Days to try it on.")] = DAYS,
) -> Any:
    """Return rules that fence a device in, and what they would have blocked in the last days."""
    with services.reading() as store:
        return proposal_shape(propose(store, device.id, grade, days, services.system_of))


@router.post("/enforce", response_model=Fenced, dependencies=[_RULES])
def enforce_fence(
    body: FenceBody, request: Request, services: Served, device: FoundDevice, fence: Fence
) -> Any:
    """Let a device do what it normally does, and act on the rest by a grade.

    It is tried on its last days first: what it would have blocked must be accepted (409).
    """
    grade = Grade(body.grade)
    with services.reading() as store:
        proposal = propose(store, device.id, grade, body.days, services.system_of)
    check_accepted(proposal, grade, body.accept)
    request.state.audit = f"{body.grade}{' by force' if body.force else ''}"
    return fence(act="enforce", **body.model_dump(exclude={"accept", "days"}))


@router.post("/release", response_model=Fenced, dependencies=[_RULES])
def release_device(fence: Fence) -> Any:
    """Take the fence of a device away."""
    return fence(act="release")


@router.post("/quarantine", status_code=201, response_model=Held, dependencies=[_DECISIONS])
def quarantine_device(
    body: QuarantineBody, request: Request, services: Served, asker: Asker, device: FoundDevice
) -> Any:
    """Let a device reach only what it needs to be mended: DHCP, DNS and ping of the router."""
    request.state.audit = body.reason
    reason = body.reason or f"quarantine of {device.shown} by hand"
    held = [
        services.steered(
            "decisions.add", asker.name, target=target, action="quarantine", direction="both",
            seconds=body.seconds, reason=reason,
        )
        for target in [seen.value for seen in device.macs] or [device.ip]
    ]  # fmt: skip
    return {"decisions": held}


@router.post("/allow", response_model=Edited, dependencies=[_WRITE])
def allow_keys(body: Keys, request: Request, edit: Edit) -> Any:
    """Say that things are normal for a device."""
    request.state.audit = f"{len(body.keys)} keys"
    return edit(act="allow", values=tuple(body.keys))


@router.get("/mud", response_model=dict[str, Any], dependencies=[_READ])
def show_mud(services: Served, device: FoundDevice, profile: KnownProfile) -> Any:
    """Return what a device normally does as a manufacturer usage description (RFC 8520)."""
    return to_mud(device, profile, services.clock.now())


@router.put("/mud", response_model=Described, dependencies=[_WRITE])
def import_mud(body: MudBody, edit: Edit) -> Any:
    """Take what a maker's description allows as normal for a device."""
    try:
        keys = read_mud("document", body.document.encode())
    except MudError as error:
        raise ProblemError(422, str(error), kind="mud") from error
    return {**edit(act="allow", values=tuple(map(str, keys))), "keys": len(keys)}


@router.post("/mud/fetch", response_model=Described, dependencies=[_WRITE])
def fetch_mud(request: Request, services: Served, device: FoundDevice, edit: Edit) -> Any:
    """Get the description at the address that a device tells, and take what it allows as normal.

    By https only, and nothing of our own networks is asked for it.
    """
    place = told_place(device)
    request.state.audit = place
    try:
        keys = fetched(place, services.clock, public=True)
    except MudError as error:
        raise ProblemError(422, str(error), kind="mud") from error
    return {**edit(act="allow", values=tuple(map(str, keys))), "keys": len(keys)}
