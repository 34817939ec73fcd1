"""What workers ask that scan files for this phage: tasks, files, and to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, JsonValue

from phage.api.problem import ProblemError
from phage.api.security import Asker, address_of, needs
from phage.api.services import Served, running
from phage.records.sample import EngineKind, EngineVersion
from phage.records.scantask import EngineReport, WorkerReport
from phage.scan.master import MasterError, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

router = APIRouter(prefix="/api/v1/work", tags=["work"])


async def _unaudited(request: Request) -> None:
    """Keep out of the audit log what workers do many times a second."""
    request.state.unaudited = True


_WORK = [Depends(needs("work:write")), Depends(_unaudited)]

CHUNK = 256 * 2**10

Text = Annotated[str, Field(max_length=500)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
TaskId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The task's id.")]
Lease = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="What the claim answered.")]


class EngineBody(BaseModel):
    """An engine of a worker."""

    name: Word
    kind: EngineKind
    version: Text = ""
    definitions: Text = ""
    built: Annotated[int, Field(ge=0, lt=2**62)] = 0
    options: Annotated[str, Field(max_length=64)] = ""
    accepts: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=500)] = []
    largest: Annotated[int, Field(ge=0, lt=2**62)] = 0
    timeout: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    place: Annotated[str, Field(max_length=20)] = "sandbox"
    fault: Text = ""
    isolation: Text = ""
    release: Annotated[str, Field(max_length=64)] = ""
    refused: Annotated[str, Field(max_length=1000)] = ""
    files: Annotated[int, Field(ge=0, lt=2**62)] = 0
    median: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    slowest: Annotated[float, Field(ge=0, le=86_400)] = 0.0


class BeatBody(BaseModel):
    """What a worker says of itself."""

    name: Word
    host: Text = ""
    version: Annotated[str, Field(max_length=64)] = ""
    isolation: Annotated[str, Field(pattern="^(full|partial|none)$")] = "none"
    reason: Text = ""
    processes: Annotated[int, Field(ge=1, le=10_000)] = 1
    engines: Annotated[list[EngineBody], Field(max_length=200)] = []
    faults: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[int, Field(ge=0, lt=2**62)]],
        Field(max_length=50),
    ] = {}


class ReleaseRow(BaseModel):
    """Definitions that an engine should have; an empty id: those from before ours."""

    id: str
    sha256: str = ""
    name: str = ""


class BeatAnswer(BaseModel):
    """What is wanted of a worker."""

    releases: dict[str, ReleaseRow] = Field(description="Definitions, by engine.")
    end: bool = Field(description="It should finish what it is at, and end.")


class ClaimBody(BaseModel):
    """Who wants to do a task."""

    worker: Word


class ClaimRow(BaseModel):
    """A task that is the worker's while its lease lasts."""

    task: str
    lease: str
    engine: str
    sha256: str
    name: str
    size: int


class ClaimAnswer(BaseModel):
    """The task, or nothing where there is nothing to do."""

    claim: ClaimRow | None


class LeaseBody(BaseModel):
    """The lease of a task."""

    lease: Lease


class SaidBody(LeaseBody):
    """What an engine said of a file."""

    said: dict[str, JsonValue]


class ReturnBody(LeaseBody):
    """Why a worker cannot do a task."""

    error: Annotated[str, Field(max_length=1000)] = ""


class Held(BaseModel):
    """Whether the task still was the worker's."""

    held: bool


@router.post("/beat", response_model=BeatAnswer, dependencies=_WORK)
def beat(body: BeatBody, request: Request, services: Served, asker: Asker) -> Any:
    """Tell of a worker, every few seconds; the answer says what is wanted of it."""
    now = services.clock.now()
    report = WorkerReport(
        name=body.name,
        token=asker.token,
        host=body.host,
        address=address_of(request),
        version=body.version,
        started=now,
        seen=now,
        isolation=body.isolation,
        reason=body.reason,
        processes=body.processes,
        engines=tuple(_report(each) for each in body.engines),
        faults=body.faults,
    )
    try:
        wanted: Wanted = running(services.work, _PART).beat(report)
    except MasterError as error:
        raise _problem(error) from error
    releases = {
        engine: ReleaseRow(id=each.id, sha256=each.sha256, name=each.name)
        for engine, each in wanted.releases.items()
    }
    return BeatAnswer(releases=releases, end=wanted.end)


@router.post("/tasks/{id}/claim", response_model=ClaimAnswer, dependencies=_WORK)
def claim(id: TaskId, body: ClaimBody, services: Served, asker: Asker) -> Any:
    """Take a task: the answer has a lease, or nothing where it is done or another's."""
    try:
        found = running(services.work, _PART).claim(id, body.worker, asker.token)
    except MasterError as error:
        raise _problem(error) from error
    if found is None:
        return ClaimAnswer(claim=None)
    return ClaimAnswer(
        claim=ClaimRow(
            task=found.task,
            lease=found.lease,
            engine=found.engine,
            sha256=found.sha256,
            name=found.name,
            size=found.size,
        )
    )


@router.get("/tasks/{id}/sample", dependencies=_WORK)
def fetch_sample(
    id: TaskId,
    services: Served,
    x_lease: Annotated[str, Header(pattern="^[0-9a-f]{32}$", description="The lease.")],
) -> StreamingResponse:
    """Fetch the file of a task, disguised, while the lease lasts."""
    try:
        file, size = running(services.work, _PART).sample(id, x_lease)
    except MasterError as error:
        raise ProblemError(404, str(error)) from error
    headers = {"Content-Length": str(size)}
    return StreamingResponse(_chunks(file), media_type=_OCTETS, headers=headers)


@router.post("/tasks/{id}/lease", response_model=Held, dependencies=_WORK)
def extend_lease(id: TaskId, body: LeaseBody, services: Served) -> Any:
    """Keep a task for longer."""
    return Held(held=running(services.work, _PART).extend(id, body.lease))


@router.post("/tasks/{id}/answer", response_model=Held, dependencies=_WORK)
def answer_task(id: TaskId, body: SaidBody, services: Served) -> Any:
    """Tell what the engine said; it is taken once, and only by the lease."""
    return Held(held=running(services.work, _PART).answer(id, body.lease, body.said))


@router.post("/tasks/{id}/return", response_model=Held, dependencies=_WORK)
def return_task(id: TaskId, body: ReturnBody, services: Served) -> Any:
    """Let others do a task that cannot be done here."""
    return Held(held=running(services.work, _PART).give_back(id, body.lease, body.error))


@router.get("/definitions/{id}", dependencies=_WORK)
def fetch_definitions(
    id: Annotated[str, Path(pattern="^[0-9a-f]{8,64}$", description="The release's id.")],
    services: Served,
) -> StreamingResponse:
    """Fetch a file with definitions, disguised."""
    try:
        file, size = running(services.work, _PART).definitions(id)
    except MasterError as error:
        raise ProblemError(404, str(error)) from error
    headers = {"Content-Length": str(size)}
    return StreamingResponse(_chunks(file), media_type=_OCTETS, headers=headers)


_PART = "scanning by many workers (scan.queue: celery)"
_OCTETS = "application/octet-stream"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


def _problem(error: MasterError) -> ProblemError:
    """Return what a worker understands: it is refused, or should try again."""
    return ProblemError(409, str(error), kind="refused" if error.refused else "again")


def _report(body: EngineBody) -> EngineReport:
    return EngineReport(
        name=body.name,
        kind=body.kind,
        version=EngineVersion(body.version, body.definitions, body.built),
        options=body.options,
        accepts=frozenset(body.accepts),
        largest=body.largest,
        timeout=body.timeout,
        place=body.place,
        fault=body.fault,
        isolation=body.isolation,
        release=body.release,
        refused=body.refused,
        files=body.files,
        median=body.median,
        slowest=body.slowest,
    )
