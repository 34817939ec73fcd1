"""Findings: the list, and one with everything behind it and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.memory import Remembered
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.detect.detector import Detector
from phage.errors import PhageError
from phage.plugin import Family, discover
from phage.records import FindingState, Severity
from phage.store.repositories.decisions import DecisionFilter
from phage.store.repositories.findings import FindingFilter
from phage.store.repositories.labels import FindingLabel, Label
from phage.web.features import drawn
from phage.web.names import Names
from phage.web.render import back, page
from phage.web.state import state_of

if TYPE_CHECKING:
    from phage.access.identity import Identity
    from phage.records import Finding
    from phage.records.decision import Decision
    from phage.store.store import Store

_DETECTORS = Family("detectors", Detector, "phage.detect.detectors")

router = APIRouter(include_in_schema=False)

PAGE = 50

FindingId = Annotated[str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$")]
Word = Annotated[str, Query(max_length=128)]
_WRITE = Depends(needs("findings:write"))

LABELS = {"attack": Label.ATTACK, "wrong": Label.NOT_AN_ATTACK, "expected": Label.EXPECTED}


@router.get("/findings", dependencies=[Depends(needs("findings:read"))])
def findings(
    request: Request,
    services: Served,
    asker: Asker,
    memory: Remembered,
    state: Annotated[Literal["", "open", "closed"], Query()] = "",
    severity: Annotated[Literal["", "info", "low", "medium", "high", "critical"], Query()] = "",
    detector: Word = "",
    host: Word = "",
    after: Word = "",
) -> HTMLResponse:
    """List findings, the newest first."""
    wanted = FindingFilter(
        detector=detector,
        severity=Severity(severity) if severity else None,
        state=FindingState(state) if state else None,
        party=host,
        after=after,
    )
    with services.reading() as store:
        found = store.findings.list(wanted, PAGE + 1)
        names = Names(store, asker)
        names.learn(each.subject.device or each.subject.ip for each in found)
        labels = store.labels.of([each.id for each in found])
        total = memory.of("findings", store.findings.count)
    chosen = {"state": state, "severity": severity, "detector": detector, "host": host}
    more = found[PAGE - 1].id if len(found) > PAGE else ""
    return page(
        request,
        "findings.html",
        findings=found[:PAGE],
        labels=labels,
        names=names,
        chosen=chosen,
        detectors=_detectors(),
        more=urlencode({**{k: v for k, v in chosen.items() if v}, "after": more}) if more else "",
        total=total,
        is_first=not after,
    )


def _detectors() -> list[str]:
    return sorted(each.name for each in discover(_DETECTORS))


@router.get("/findings/{id}", dependencies=[Depends(needs("findings:read"))])
def finding(
    request: Request,
    services: Served,
    asker: Asker,
    id: FindingId,  # noqa: A002  As in the path.
) -> HTMLResponse:
    """Show a finding."""
    with services.reading() as store:
        found = _found(store, id)
        values = _read(store, found, asker)
    state = state_of(services)
    return page(
        request,
        "finding.html",
        finding=found,
        state=state,
        target=found.subject.ip or found.subject.mac,
        **values,
    )


def _read(store: Store, found: Finding, asker: Identity) -> dict[str, Any]:
    names = Names(store, asker)
    related = store.findings.related(found, 8)
    peers = [peer.mac or peer.ip for peer in found.peers]
    names.learn([found.subject.device, found.subject.ip, *peers])
    names.learn(each.subject.device or each.subject.ip for each in related)
    return {
        "names": names,
        "related": related,
        "decisions": _decisions(store, found) if asker.may("decisions:read") else [],
        "label": store.labels.of([found.id]).get(found.id),
        "features": drawn(found.features),
    }


def _decisions(store: Store, found: Finding) -> list[Decision]:
    decisions = store.decisions.list(DecisionFilter(finding=found.id), 20)
    if found.subject.ip:
        about = DecisionFilter(target=found.subject.ip, standing=True)
        decisions += [each for each in store.decisions.list(about, 5) if each.finding != found.id]
    return decisions


@router.post("/findings/{id}/label", dependencies=[_WRITE])
def label_finding(
    request: Request,
    services: Served,
    asker: Asker,
    id: FindingId,  # noqa: A002  As in the path.
    label: Annotated[Literal["attack", "wrong", "expected", "none"], Form()],
    note: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Keep what somebody says that a finding was, or take it back."""
    with services.reading() as store:
        found = _found(store, id)
    to = f"/findings/{found.id}"
    if label == "none":
        services.writing.labels.remove(found.id)
        request.state.audit = "taken back"
        return back(request, to, "Taken back: nothing is said of this finding any more.")
    word = LABELS[label]
    services.writing.labels.save(
        FindingLabel(found.id, word, note, asker.name, services.clock.now())
    )
    request.state.audit = str(word)
    return back(request, to, f"Noted: {word}. You can take it back below.")


@router.post("/findings/{id}/block", dependencies=[Depends(needs("decisions:write"))])
def block(
    request: Request,
    services: Served,
    asker: Asker,
    id: FindingId,  # noqa: A002  As in the path.
    target: Annotated[str, Form(max_length=256)],
    seconds: Annotated[float, Form(ge=0, le=3.2e9)] = 3600.0,
) -> Response:
    """Block the subject of a finding, or one of its peers."""
    with services.reading() as store:
        found = _found(store, id)
    to = f"/findings/{found.id}"
    try:
        answer = services.steered(
            "decisions.add",
            asker.name,
            target=target,
            action="ban",
            direction="both",
            seconds=seconds,
            reason=f"by hand, for finding {found.id}"[:500],
        )
    except PhageError as error:
        return back(request, to, str(error), bad=True)
    made = answer["decision"]
    request.state.audit = f"ban {made['target']}"
    done = "would be blocked, and is recorded only" if made["dry_run"] else "is blocked"
    return back(request, to, f"{made['target']} {done}. Decisions has the undo.")


def _found(store: Store, id: str) -> Finding:  # noqa: A002  The field's name.
    found = store.findings.get(id)
    if found is None:
        message = "There is no such finding; it may have been too old to keep."
        raise ProblemError(404, message)
    return found
