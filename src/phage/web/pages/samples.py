"""Files: handed over, followed while they are scanned, listed, shown with all that is in them."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from phage.api.archives import sample_archive
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.api.uploads import receive
from phage.errors import PhageError
from phage.records.sample import EngineKind, Outcome
from phage.records.scanjob import Priority
from phage.scan.changes import changes
from phage.scan.desk import Analysis, ScanDesk
from phage.store.repositories.samplefilter import SampleFilter
from phage.web.render import back, page
from phage.web.tree import tree_of

router = APIRouter(include_in_schema=False)

PAGE = 50
MAX_PARTS = 200
MAX_HISTORY = 20

_READ = Depends(needs("samples:read"))
_WRITE = Depends(needs("samples:write"))

Hash = Annotated[str, Path(pattern="^[0-9a-f]{8,64}$")]


def _desk(services: Services) -> ScanDesk:
    return running(services.scanning, "file scanning")


@router.get("/files", dependencies=[_READ])
def files(
    request: Request,
    services: Served,
    q: Annotated[str, Query(max_length=128)] = "",
    outcome: Annotated[Literal["", "infected", "suspicious", "incomplete", "clean"], Query()] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """List samples, those seen last first."""
    wanted = SampleFilter(
        text=q.strip(), outcome=Outcome(outcome) if outcome else None, after=after
    )
    with services.reading() as store:
        found = store.samples.listed(wanted, PAGE + 1)
        total = store.samples.count()
    chosen = {name: value for name, value in (("q", q), ("outcome", outcome)) if value}
    more = found[PAGE - 1][0].sha256 if len(found) > PAGE else ""
    return page(
        request,
        "files.html",
        samples=found[:PAGE],
        total=total,
        q=q,
        outcome=outcome,
        outcomes=[str(each) for each in Outcome],
        more=urlencode({**chosen, "after": more}) if more else "",
        largest=services.scanning.largest if services.scanning is not None else 0,
    )


@router.post("/files", dependencies=[_WRITE])
async def hand_over(request: Request, services: Served, asker: Asker) -> Response:
    """Take a file; lead to where it is followed."""
    request.state.unaudited = True  # It changes nothing; the sample tells when it came.
    desk = _desk(services)
    try:
        upload = await receive(request, desk)
        passwords = [upload.fields["password"]] if upload.fields.get("password") else []

        def submit() -> Analysis:
            with upload.content as content:
                return desk.submit(
                    content,
                    content.name,
                    asker.name,
                    passwords=passwords,
                    priority=Priority.INTERACTIVE,
                )

        taken = await run_sync(submit)
    except PhageError as error:
        return back(request, "/files", str(error), bad=True)
    return RedirectResponse(_place(taken), 303)


@router.get("/files/analyses/{id}", dependencies=[_READ])
def analysis(
    request: Request,
    services: Served,
    id: Annotated[str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$")],  # noqa: A002  As in the path.
) -> Response:
    """Show how far a file is, engine by engine; lead to its verdict once it is done."""
    desk = _desk(services)
    found = desk.analysis(id)
    if found is None:
        message = "That file is not being scanned, or was long ago."
        raise ProblemError(404, message)
    if found.verdict is not None:
        return RedirectResponse(_place(found), 303)
    said = found.progress.engines
    ready = [each for each in desk.engines() if each.state == "ready"]
    rows = [(each.name, each.kind, said.get(each.name, "")) for each in ready]
    rows += [(name, "", word) for name, word in said.items() if name not in {r[0] for r in rows}]
    rows.sort(key=lambda row: (row[1] == EngineKind.METADATA, row[0]))
    return page(request, "analysis.html", analysis=found, rows=rows)


@router.get("/files/{sha256}", dependencies=[_READ])
def file(
    request: Request,
    services: Served,
    sha256: Hash,
    verdict: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Show what is said of a sample; the last verdict, or an earlier one."""
    with services.reading() as store:
        sample = store.samples.get(sha256)
        if sample is None:
            message = "There is no such sample, or several begin so."
            raise ProblemError(404, message)
        history = store.samples.history(sample.sha256, MAX_HISTORY + 1)
        containers = store.samples.containers(sample.sha256, 20)
    chosen = next((each for each in history if each.id == verdict), history[0] if history else None)
    older = [*history[1:], None]
    told = [(each, changes(before, each)) for each, before in zip(history, older, strict=True)]
    return page(
        request,
        "file.html",
        sample=sample,
        verdict=chosen,
        tree=tree_of(chosen.parts[:MAX_PARTS]) if chosen is not None else [],
        history=told[:MAX_HISTORY],
        containers=containers,
        kept=services.scanning is not None and services.scanning.has(sample.sha256),
    )


@router.post("/files/{sha256}", dependencies=[_WRITE])
def change_file(
    request: Request,
    services: Served,
    asker: Asker,
    sha256: Hash,
    act: Annotated[Literal["rescan", "remove"], Form()],
) -> Response:
    """Scan a sample again, or forget it."""
    desk = _desk(services)
    try:
        if act == "remove":
            desk.remove(sha256)
            return back(request, "/files", "The file and its verdicts are forgotten.")
        return RedirectResponse(_place(desk.rescan(sha256, asker.name, forgive=True)), 303)
    except PhageError as error:
        return back(request, f"/files/{sha256}", str(error), bad=True)


@router.get("/files/{sha256}/download", dependencies=[Depends(needs("originals:read"))])
def download(services: Served, asker: Asker, sha256: Hash) -> StreamingResponse:
    """Download a sample in an encrypted archive."""
    return sample_archive(services, sha256, asker.detailed)


@router.get("/engines", dependencies=[Depends(needs("engines:read"))])
def engines(request: Request, services: Served) -> HTMLResponse:
    """List engines as they stand."""
    return page(request, "engines.html", engines=_desk(services).engines())


@router.post("/engines", dependencies=[Depends(needs("engines:write"))])
def test_engine(
    request: Request, services: Served, name: Annotated[str, Form(max_length=64)]
) -> Response:
    """Test an engine in the sandbox."""
    try:
        tested = _desk(services).test(name)
    except PhageError as error:
        return back(request, "/engines", str(error), bad=True)
    said = f"{tested.name}: {tested.fault or 'passes its test'}"
    return back(request, "/engines", said, bad=bool(tested.fault))


def _place(analysis: Analysis) -> str:
    """Return where a file is followed, or shown when it is done."""
    if analysis.verdict is None:
        return f"/files/analyses/{analysis.id}"
    return f"/files/{analysis.sha256}"
