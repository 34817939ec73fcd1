"""Files: what was scanned, and the verdict on one with all engines, parts and earlier verdicts."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse

from phage.api.problem import ProblemError
from phage.api.security import needs
from phage.api.services import Served
from phage.records.sample import Outcome
from phage.store.repositories.samplefilter import SampleFilter
from phage.web.render import page

router = APIRouter(include_in_schema=False)

PAGE = 50
MAX_PARTS = 200

_READ = Depends(needs("samples:read"))
_HASH = frozenset("0123456789abcdef")


@router.get("/files", dependencies=[_READ])
def files(
    request: Request,
    services: Served,
    q: Annotated[str, Query(max_length=128)] = "",
    outcome: Annotated[Literal["", "infected", "suspicious", "incomplete", "clean"], Query()] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """List samples, those seen last first."""
    text = q.strip()
    is_hash = len(text) >= 8 and set(text.lower()) <= _HASH
    wanted = SampleFilter(
        name="" if is_hash else text,
        hash=text.lower() if is_hash else "",
        outcome=Outcome(outcome) if outcome else None,
        after=after,
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
    )


@router.get("/files/{sha256}", dependencies=[_READ])
def file(
    request: Request,
    services: Served,
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{8,64}$")],
    verdict: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Show what is said of a sample; the last verdict, or an earlier one."""
    with services.reading() as store:
        sample = store.samples.get(sha256)
        if sample is None:
            message = "There is no such sample, or several begin so."
            raise ProblemError(404, message)
        history = store.samples.history(sample.sha256, 20)
    chosen = next((each for each in history if each.id == verdict), history[0] if history else None)
    return page(
        request, "file.html", sample=sample, verdict=chosen, history=history, most=MAX_PARTS
    )
