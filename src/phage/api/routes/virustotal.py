"""Files as VirusTotal's API, version 3, has them, for its clients."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.api.uploads import BODY, receive
from phage.api.virustotal import (
    analysis_object,
    file_info,
    file_object,
    part_object,
    verdict_object,
)
from phage.records.sample import Sample
from phage.scan.desk import Analysis, ScanDesk
from phage.store.store import Store

router = APIRouter(prefix="/api/v3", tags=["virustotal"])

_READ = Depends(needs("samples:read"))
_WRITE = Depends(needs("samples:write"))

HOLD_SECONDS = 25.0
"""How long who asks for an analysis waits for its end: a worker may have to start first, and vt-py
asks again after 20 s only."""

LOOK_SECONDS = 0.1

HELD_AT_ONCE = 16
"""More than so many are answered at once."""

MOST_ROWS = 40

Hash = Annotated[
    str,
    Path(
        pattern="^([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$",
        description="MD5, SHA-1 or SHA-256.",
    ),
]
AnalysisId = Annotated[str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$")]


class Links(BaseModel):
    """Where something is."""

    self: str
    item: str | None = None


class Thing(BaseModel):
    """An object: a file or an analysis."""

    type: str
    id: str
    links: Links
    attributes: dict[str, Any] = {}


class One(BaseModel):
    """The answer with one object."""

    data: Thing
    meta: dict[str, Any] = {}


class Many(BaseModel):
    """The answer with objects that something is related to."""

    data: list[Thing]
    links: dict[str, str] = {}
    meta: dict[str, Any] = {}


class Text(BaseModel):
    """The answer with a text."""

    data: str


class Reference(BaseModel):
    """What an analysis is called that begins."""

    type: str = "analysis"
    id: str
    links: Links


class Begun(BaseModel):
    """The answer to who has a file analysed."""

    data: Reference = Field(description="The analysis; ask for it by its id.")


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/api/v3"


def _desk(services: Services) -> ScanDesk:
    return running(services.scanning, "file scanning")


def _begun(analysis: Analysis, request: Request) -> dict[str, Any]:
    link = f"{_base(request)}/analyses/{analysis.id}"
    return {"data": {"type": "analysis", "id": analysis.id, "links": {"self": link}}}


@router.post("/files", response_model=Begun, openapi_extra=BODY, dependencies=[_WRITE])
async def upload_file(request: Request, services: Served, asker: Asker) -> Any:
    """Hand a file over to be analysed."""
    request.state.unaudited = True  # It changes nothing; the sample tells when it came.
    desk = _desk(services)
    upload = await receive(request, desk)
    passwords = [upload.fields["password"]] if upload.fields.get("password") else []

    def submit() -> Analysis:
        with upload.content as content:
            return desk.submit(content, content.name, asker.name, passwords=passwords)

    return _begun(await run_sync(submit), request)


@router.get("/files/upload_url", response_model=Text, dependencies=[_WRITE])
async def tell_upload_url(request: Request, services: Served) -> Any:
    """Tell where large files are handed over: at the same place, here."""
    _desk(services)
    return {"data": f"{_base(request)}/files"}


@router.get("/files/{hash}", response_model=One, dependencies=[_READ])
def show_file(request: Request, services: Served, hash: Hash) -> Any:
    """Show a file, also one that was in another one only."""
    base, wanted = _base(request), hash.lower()
    with services.reading() as store:
        sample = store.samples.get(wanted)
        if sample is not None:
            return {"data": file_object(sample, store.samples.verdict(sample.sha256), base)}
        for parent in store.samples.containers(wanted, 1):
            verdict = store.samples.verdict(parent.sha256)
            for part in verdict.parts if verdict is not None else ():
                if part.sha256 == wanted:
                    return {"data": part_object(part, base)}
    raise _unknown(hash)


@router.post("/files/{hash}/analyse", response_model=Begun, dependencies=[_WRITE])
def analyse_again(request: Request, services: Served, asker: Asker, hash: Hash) -> Any:
    """Have a file that is kept analysed again: only engines that have changed look at it."""
    desk = _desk(services)
    with services.reading() as store:
        sample = _found(store, hash)
    return _begun(desk.rescan(sample.sha256, asker.name), request)


@router.get("/files/{hash}/{relationship}", response_model=Many, dependencies=[_READ])
def list_related(
    request: Request,
    services: Served,
    hash: Hash,
    relationship: Annotated[
        str,
        Path(
            max_length=64,
            description="bundled_files or contained_files: what is in it; compressed_parents: what "
            "it was in; analyses; comments: there are none.",
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 10,
    cursor: Annotated[str, Query(max_length=20, pattern="^[0-9]*$")] = "",
) -> Any:
    """List what a file has to do with."""
    base, begin = _base(request), int(cursor or 0)
    with services.reading() as store:
        sample = _found(store, hash)
        found = _related(store, sample, relationship, base)
    shown = found[begin : begin + limit]
    here = f"{base}/files/{sample.sha256}/{relationship}?limit={limit}"
    meta: dict[str, Any] = {"count": len(found)}
    links = {"self": here}
    if begin + limit < len(found):
        meta["cursor"] = str(begin + limit)
        links["next"] = f"{here}&cursor={begin + limit}"
    return {"data": shown, "meta": meta, "links": links}


@router.get("/analyses/{id}", response_model=One, dependencies=[_READ])
async def show_analysis(request: Request, services: Served, id: AnalysisId) -> Any:
    """Show how far an analysis is; who asks waits some seconds for its end."""
    desk, state = _desk(services), request.app.state
    state.held = getattr(state, "held", 0) + 1
    try:
        left = HOLD_SECONDS if state.held <= HELD_AT_ONCE else 0.0
        found = await run_sync(desk.analysis, id)
        while found is not None and not found.is_over and left > 0:
            await anyio.sleep(LOOK_SECONDS)
            left -= LOOK_SECONDS
            found = await run_sync(desk.analysis, id)
    finally:
        state.held -= 1
    if found is None:
        raise _unknown(id)
    data = analysis_object(found, _base(request))
    return {"data": data, "meta": {"file_info": file_info(found)}}


def _related(store: Store, sample: Sample, name: str, base: str) -> list[dict[str, Any]]:
    if name == "analyses":
        return [verdict_object(each, base) for each in store.samples.history(sample.sha256)]
    if name == "comments":
        return []
    if name == "compressed_parents":
        return [
            file_object(each, store.samples.verdict(each.sha256), base)
            for each in store.samples.containers(sample.sha256)
        ]
    if name in {"bundled_files", "contained_files"}:
        verdict = store.samples.verdict(sample.sha256)
        parts = verdict.parts[1:] if verdict is not None else ()
        return list({each.sha256: part_object(each, base) for each in parts}.values())
    message = f"files have no relationship {name!r} here"
    raise ProblemError(404, message)


def _found(store: Store, hash_: str) -> Sample:
    sample = store.samples.get(hash_.lower())
    if sample is None:
        raise _unknown(hash_)
    return sample


def _unknown(name: str) -> ProblemError:
    return ProblemError(404, f"{name!r} is not known")
