"""Samples: files that were scanned, handed over, searched, shown, scanned again and removed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from phage.api.archives import ZIP, sample_archive, sample_named
from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.sampleshapes import analysis_shape, change_shape, sample_shape, verdict_shape
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.api.uploads import BODY, receive
from phage.records.sample import Category, EngineKind, Outcome
from phage.scan.desk import Analysis, ScanDesk
from phage.store.repositories.samplefilter import SampleFilter

router = APIRouter(prefix="/api/v1", tags=["samples"])

_READ = Depends(needs("samples:read"))
_WRITE = Depends(needs("samples:write"))
_KEYS = Keys((int, str))

MOST_HISTORY = 100

Hash = Annotated[
    str,
    Path(
        pattern="^[0-9a-fA-F]{8,64}$",
        description="MD5, SHA-1 or SHA-256, or the beginning of the last.",
    ),
]
AnalysisId = Annotated[str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$")]
Text = Annotated[str, Query(max_length=200)]


class SampleRow(Row):
    """A sample."""

    id: str = Field(description="Its SHA-256.")
    sha256: str
    sha1: str
    md5: str
    size: int
    kind: str = Field(description="Told from the content.")
    names: list[str] = Field(description="Under which it came; hostile until proved otherwise.")
    outcome: Outcome | Literal[""]
    tags: list[str]
    first_seen: str
    last_seen: str
    submissions: int


class ReasonRow(BaseModel):
    """Why a verdict is not clean."""

    outcome: Outcome
    text: str
    engine: str
    path: list[str] = Field(description="Names from the outermost container inwards.")


class ResultRow(BaseModel):
    """What an engine said: the gravest word over all parts."""

    engine: str
    kind: EngineKind
    category: Category
    label: str
    version: str
    definitions: str
    built: str = Field(description="When its definitions were made.")
    facts: dict[str, Any]
    error: str
    seconds: float


class PartRow(BaseModel):
    """The sample itself, or something in it."""

    path: list[str] = Field(description="Empty for the sample itself.")
    sha256: str
    size: int
    kind: str
    faults: list[str]
    found: dict[str, str] = Field(description="What engines found in it, by engine.")


class VerdictRow(BaseModel):
    """What is said of a sample."""

    id: str
    file: str
    outcome: Outcome
    complete: bool = Field(description="All of it could be looked at.")
    positives: int
    judged: int = Field(description="Engines that have judged.")
    reasons: list[ReasonRow]
    results: list[ResultRow]
    parts: list[PartRow]
    parts_total: int = Field(description="Of many parts the grave ones are kept.")
    time: str
    seconds: float
    isolation: str


class WholeSample(BaseModel):
    """A sample with its verdict and all that is known."""

    sample: SampleRow
    verdict: VerdictRow | None
    containers: list[str] = Field(description="Samples that it was in, by SHA-256.")
    kept: bool = Field(description="The sample itself is kept, and can be scanned again.")


class ChangeRow(BaseModel):
    """A verdict beside the one before it."""

    id: str
    sha256: str
    time: str
    outcome: Outcome
    before: Outcome | Literal[""]
    ratio: str
    changes: list[str] = Field(description="What engines say differently.")


class AnalysisRow(BaseModel):
    """How far the scanning of a file is."""

    id: str
    sha256: str
    name: str
    state: Literal["queued", "leased", "done", "dead", "cancelled"]
    submitted: str
    parts: int = Field(description="Files in it that are done.")
    engines: dict[str, Category] = Field(description="What engines said so far.")
    outcome: Outcome | Literal[""]
    verdict: str = Field(description="Id of the verdict; empty: there is none yet.")
    error: str = Field(description="Why it was given up, or waits.")


class RescanBody(BaseModel):
    """How a sample is scanned again."""

    forgive: bool = Field(default=False, description="Also by engines that it has ended twice.")


def _desk(services: Services) -> ScanDesk:
    return running(services.scanning, "file scanning")


@router.get("/samples", response_model=Page[SampleRow], dependencies=[_READ])
def list_samples(
    services: Served,
    q: Annotated[
        Text, Query(description="A part of a name or fact, or the beginning of a hash.")
    ] = "",
    name: Annotated[Text, Query(description="A part of a name.")] = "",
    hash: Annotated[
        str, Query(max_length=64, description="A hash; of SHA-256 the beginning.")
    ] = "",
    outcome: Annotated[Outcome | None, Query()] = None,
    kind: Annotated[Text, Query(description="Of this kind: pe, pdf.")] = "",
    tag: Text = "",
    fact: Annotated[Text, Query(description="ENGINE.NAME, as magika.type.")] = "",
    value: Annotated[Text, Query(description="A part of that fact's value, or of any.")] = "",
    part: Annotated[str, Query(max_length=64, description="That contain this SHA-256.")] = "",
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List samples, those seen last first; search them by name, hash and any fact."""
    before = _KEYS.read(cursor)
    wanted = SampleFilter(
        text=q,
        name=name,
        hash=hash,
        outcome=outcome,
        kind=kind,
        tag=tag,
        fact=fact,
        value=value,
        part=part,
        since=moment(since, "since"),
        until=moment(until, "until"),
        before=(int(before[0]), str(before[1])) if before else None,
    )
    with services.reading() as store:
        found = store.samples.listed(wanted, limit + 1)
    return page_of(
        found,
        limit,
        lambda row: (row[0].last_seen, row[0].sha256),
        lambda row: sample_shape(row[0], row[1]),
        fields,
    )


@router.post(
    "/samples",
    status_code=202,
    response_model=AnalysisRow,
    openapi_extra=BODY,
    dependencies=[_WRITE],
)
async def upload_sample(request: Request, services: Served, asker: Asker) -> Any:
    """Hand a file over to be scanned; one that is known is answered at once."""
    request.state.unaudited = True  # It changes nothing; the sample tells when it came.
    desk = _desk(services)
    upload = await receive(request, desk)
    passwords = [upload.fields["password"]] if upload.fields.get("password") else []

    def submit() -> Analysis:
        with upload.content as content:
            return desk.submit(content, content.name, asker.name, passwords=passwords)

    return analysis_shape(await run_sync(submit))


@router.get("/samples/{hash}", response_model=WholeSample, dependencies=[_READ])
def show_sample(
    services: Served,
    hash: Hash,
    verdict: Annotated[str, Query(max_length=64, description="An earlier one, by its id.")] = "",
) -> Any:
    """Show a sample: its verdict, every engine's word, all that is in it, all facts."""
    with services.reading() as store:
        sample = sample_named(store, hash)
        found = (
            store.samples.verdict_by_id(verdict)
            if verdict
            else store.samples.verdict(sample.sha256)
        )
        containers = store.samples.containers(sample.sha256)
    if verdict and (found is None or found.sample.sha256 != sample.sha256):
        message = f"the sample has no verdict {verdict!r}"
        raise ProblemError(404, message)
    desk = services.scanning
    return {
        "sample": sample_shape(sample, found.outcome if found is not None else None),
        "verdict": verdict_shape(found) if found is not None else None,
        "containers": [each.sha256 for each in containers],
        "kept": desk is not None and desk.has(sample.sha256),
    }


@router.get("/samples/{hash}/history", response_model=list[ChangeRow], dependencies=[_READ])
def list_verdicts(services: Served, hash: Hash) -> Any:
    """List the verdicts of a sample, the last first, and what changed between them."""
    with services.reading() as store:
        found = store.samples.history(sample_named(store, hash).sha256, MOST_HISTORY + 1)
    older = [*found[1:], None]
    shapes = [change_shape(before, after) for after, before in zip(found, older, strict=True)]
    return shapes[:MOST_HISTORY]


@router.post(
    "/samples/{hash}/rescan", status_code=202, response_model=AnalysisRow, dependencies=[_WRITE]
)
def rescan_sample(
    services: Served, hash: Hash, asker: Asker, body: Annotated[RescanBody | None, Body()] = None
) -> Any:
    """Scan a sample again that is kept: only engines that have changed look at it."""
    desk = _desk(services)
    with services.reading() as store:
        sample = sample_named(store, hash)
    return analysis_shape(
        desk.rescan(sample.sha256, asker.name, forgive=body is not None and body.forgive)
    )


@router.delete("/samples/{hash}", status_code=204, dependencies=[_WRITE])
def remove_sample(services: Served, hash: Hash) -> None:
    """Forget a sample, its verdicts and its octets."""
    desk = _desk(services)
    with services.reading() as store:
        sample = sample_named(store, hash)
    desk.remove(sample.sha256)


@router.get(
    "/samples/{hash}/download",
    response_class=StreamingResponse,
    responses={200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
    dependencies=[Depends(needs("originals:read"))],
)
def download_sample(services: Served, hash: Hash, asker: Asker) -> StreamingResponse:
    """Download a sample that is kept, in an archive whose password is `infected`."""
    return sample_archive(services, hash, asker.detailed)


@router.get("/analyses/{id}", response_model=AnalysisRow, dependencies=[_READ])
def show_analysis(services: Served, id: AnalysisId) -> Any:
    """Tell how far the scanning of a file is, engine by engine."""
    found = _desk(services).analysis(id)
    if found is None:
        message = f"there is no analysis {id!r}"
        raise ProblemError(404, message)
    return analysis_shape(found)


@router.delete("/analyses/{id}", status_code=204, dependencies=[_WRITE])
def cancel_analysis(services: Served, id: AnalysisId) -> None:
    """Cancel the scanning of a file that is not done."""
    desk = _desk(services)
    if desk.analysis(id) is None:
        message = f"there is no analysis {id!r}"
        raise ProblemError(404, message)
    if not desk.cancel(id):
        message = "it is done already"
        raise ProblemError(409, message)
