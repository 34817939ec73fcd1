"""Workers that scan files: who works, what waits, which definitions are on their way."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, running
from phage.api.uploads import FORM, receive
from phage.api.workershapes import fleet_shape, queue_shapes, release_shape, worker_shape
from phage.records.scanrelease import ReleaseState

router = APIRouter(prefix="/api/v1", tags=["workers"])

_READ = Depends(needs("workers:read"))
_WRITE = Depends(needs("workers:write"))

WorkerName = Annotated[
    str, Path(max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Its name.")
]
ReleaseId = Annotated[str, Path(pattern="^[0-9a-f]{8,64}$", description="Its id.")]

_PART = "scanning by many workers (scan.queue: celery)"


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file", "engine"],
                    "properties": {
                        "engine": {"type": "string"},
                        "file": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    }
}


class WorkerEngineRow(BaseModel):
    """An engine of a worker."""

    name: str
    kind: str
    place: str
    version: str
    definitions: str
    built: str = Field(description="When its definitions were made; empty where unknown.")
    passed: bool = Field(description="Its self-test; only then it is served.")
    fault: str
    isolation: str = Field(description="Of an engine on yet another machine.")
    release: str = Field(description="The release of definitions in force; empty: none of ours.")
    refused: str = Field(description="The release that was refused last, and why.")
    files: int
    median_ms: float
    p95_ms: float


class WorkerRow(BaseModel):
    """A worker."""

    id: str
    name: str
    state: Literal["here", "ending", "gone"]
    host: str
    address: str
    version: str
    token: str = Field(description="Id of its token.")
    started: str
    seen: str
    isolation: Literal["full", "partial", "none"] = Field(description="As its sandbox proved.")
    reason: str
    processes: int
    faults: dict[str, int]
    engines: list[WorkerEngineRow]


class QueueRow(BaseModel):
    """The queue of an engine."""

    engine: str
    waiting: int
    at_work: int
    workers: list[str]


class ReleaseRow(BaseModel):
    """Definitions on their way to the workers."""

    id: str
    engine: str
    state: ReleaseState
    name: str
    sha256: str
    size: int
    canary: str = Field(description="The worker that tries it first.")
    author: str
    made: str
    tried: str = Field(description="When the canary had it in force; empty: not yet.")
    changed: str
    fault: str


class MachineRow(BaseModel):
    """A machine of a fleet."""

    id: str
    worker: str
    address: str


class FleetView(BaseModel):
    """Machines that are started and ended as they are needed."""

    id: str
    name: str
    launcher: str
    wanted: int
    most: int
    fixed: int | None = Field(description="How many a person wants; null: as many as are needed.")
    machines: list[MachineRow]
    seen: str
    fault: str


class FleetBody(BaseModel):
    """How many machines a fleet is to have."""

    copies: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        description="Null for as many as the queue needs."
    )


@router.get("/workers", dependencies=[_READ])
def list_workers(services: Served) -> list[WorkerRow]:
    """List workers, also those that are gone, with their engines."""
    with services.reading() as store:
        found = store.scan_workers.list()
    return [WorkerRow(**worker_shape(each, services.clock.now())) for each in found]


@router.get("/workers/{name}", dependencies=[_READ])
def show_worker(services: Served, name: WorkerName) -> WorkerRow:
    """Show a worker."""
    with services.reading() as store:
        found = store.scan_workers.get(name)
    if found is None:
        raise _unknown(name)
    return WorkerRow(**worker_shape(found, services.clock.now()))


@router.post("/workers/{name}/end", status_code=204, dependencies=[_WRITE])
def end_worker(services: Served, name: WorkerName) -> None:
    """Have a worker finish what it is at, and end."""
    if not services.writing.scan_workers.end(name, services.clock.now()):
        raise _unknown(name)


@router.delete("/workers/{name}", status_code=204, dependencies=[_WRITE])
def forget_worker(services: Served, name: WorkerName) -> None:
    """Forget a worker that is gone: its engines are not waited for any more."""
    if not services.writing.scan_workers.forget(name):
        raise _unknown(name)


@router.get("/queues", dependencies=[_READ])
def list_queues(services: Served) -> list[QueueRow]:
    """List the queue of each engine: what waits, what is at work, who serves it."""
    with services.reading() as store:
        workers, open_ = store.scan_workers.list(), store.scan_tasks.open()
    return [QueueRow(**each) for each in queue_shapes(workers, open_, services.clock.now())]


@router.get("/fleets", dependencies=[_READ])
def list_fleets(services: Served) -> list[FleetView]:
    """List fleets of machines, as their keeper saw them last."""
    with services.reading() as store:
        found = store.scan_fleets.list()
    return [FleetView(**fleet_shape(each)) for each in found]


@router.put("/fleets/{name}", status_code=204, dependencies=[_WRITE])
def size_fleet(body: FleetBody, request: Request, services: Served, name: WorkerName) -> None:
    """Have so many machines in a fleet, within what the settings allow."""
    if not services.writing.scan_fleets.fix(name, body.copies):
        message = f"there is no fleet {name!r} in the settings (scan.workers.fleets)"
        raise ProblemError(404, message)
    request.state.audit = "as needed" if body.copies is None else str(body.copies)


@router.get("/releases", dependencies=[_READ])
def list_releases(services: Served) -> list[ReleaseRow]:
    """List releases of definitions, the latest first."""
    with services.reading() as store:
        found = store.scan_releases.list()
    return [ReleaseRow(**release_shape(each)) for each in found]


@router.post("/releases", status_code=201, dependencies=[_WRITE], openapi_extra=_BODY)
async def begin_release(request: Request, services: Served, asker: Asker) -> ReleaseRow:
    """Roll a file with definitions out: one worker tries it first, then all get it."""
    desk = running(services.work, _PART)
    upload = await receive(request, running(services.scanning, "file scanning"))
    engine = upload.fields.get("engine", "")

    def begin() -> Any:
        with upload.content as content:
            return release_shape(desk.releases.begin(engine, content, asker.name))

    made = await run_sync(begin)
    request.state.audit = f"{engine}: {made['sha256']}"
    return ReleaseRow(**made)


@router.post("/releases/{id}/withdraw", dependencies=[_WRITE])
def withdraw_release(services: Served, id: ReleaseId) -> ReleaseRow:
    """Take definitions back: workers return to those before."""
    desk = running(services.work, _PART)
    return ReleaseRow(**release_shape(desk.releases.withdraw(id)))


def _unknown(name: str) -> ProblemError:
    return ProblemError(404, f"there is no worker {name!r}")
