"""Decisions: what stands, why and until when; decide by hand, undo, and the panic switch."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.api.shapes import decision_state
from phage.errors import PhageError
from phage.policy.target import parse_target
from phage.store.repositories.decisions import DecisionFilter
from phage.web.names import Names
from phage.web.render import back, own_path, page
from phage.web.state import state_of

router = APIRouter(include_in_schema=False)

PAGE = 50

SHOWN = {
    "standing": DecisionFilter(standing=True, dry_run=False),
    "recorded": DecisionFilter(standing=True, dry_run=True),
    "ended": DecisionFilter(standing=False),
}

DecisionId = Annotated[str, Path(min_length=6, max_length=32, pattern="^[0-9a-zA-Z]+$")]
_READ = Depends(needs("decisions:read"))
_WRITE = Depends(needs("decisions:write"))


@router.get("/decisions", dependencies=[_READ])
def decisions(
    request: Request,
    services: Served,
    asker: Asker,
    show: Annotated[Literal["standing", "recorded", "ended"], Query()] = "standing",
    target: Annotated[str, Query(max_length=256)] = "",
    after: Annotated[str, Query(max_length=32)] = "",
) -> HTMLResponse:
    """List decisions, the newest first."""
    kind = SHOWN[show]
    wanted = DecisionFilter(
        standing=kind.standing, dry_run=kind.dry_run, target=_canonical(target), after=after
    )
    with services.reading() as store:
        found = store.decisions.list(wanted, PAGE + 1)
        receipts = store.receipts.of([each.id for each in found])
        counts = {name: store.decisions.count(each) for name, each in SHOWN.items()}
        names = Names(store, asker)
        names.learn(each.target.value for each in found)
    state = state_of(services)
    live = {each["id"]: each for each in state.live.get("bans", ())}
    chosen = {name: value for name, value in (("show", show), ("target", target)) if value}
    more = found[PAGE - 1].id if len(found) > PAGE else ""
    now = services.clock.now()
    return page(
        request,
        "decisions.html",
        show=show,
        target=target,
        decisions=found[:PAGE],
        states={each.id: decision_state(each, now, receipts.get(each.id, ())) for each in found},
        counts=counts,
        names=names,
        live=live,
        state=state,
        more=urlencode({**chosen, "after": more}) if more else "",
    )


def _canonical(target: str) -> str:
    try:
        return parse_target(target).value if target else ""
    except ValueError:
        return target


@router.get("/decisions/{id}", dependencies=[_READ])
def decision(
    request: Request,
    services: Served,
    asker: Asker,
    id: DecisionId,  # noqa: A002  As in the path.
) -> HTMLResponse:
    """Show a decision: why, by whom, what responders say, who changed it."""
    with services.reading() as store:
        found = store.decisions.get(id)
        if found is None:
            message = "There is no such decision; it may have been too old to keep."
            raise ProblemError(404, message)
        receipts = store.receipts.of([found.id])[found.id]
        audit = store.decisions.audit(found.id)
        is_shown = found.finding and asker.may("findings:read")
        finding = store.findings.get(found.finding) if is_shown else None
        names = Names(store, asker)
        names.learn([found.target.value])
    return page(
        request,
        "decision.html",
        decision=found,
        word=decision_state(found, services.clock.now(), receipts),
        receipts=receipts,
        audit=audit,
        finding=finding,
        names=names,
    )


@router.post("/decisions", dependencies=[_WRITE])
def decide(
    request: Request,
    services: Served,
    asker: Asker,
    target: Annotated[str, Form(max_length=256)],
    seconds: Annotated[float, Form(ge=0, le=3.2e9)],
    action: Annotated[Literal["ban", "reject", "quarantine"], Form()] = "ban",
    direction: Annotated[Literal["from", "to", "both"], Form()] = "both",
    reason: Annotated[str, Form(max_length=500)] = "",
    to: Annotated[str, Form(max_length=1024)] = "/decisions",
) -> Response:
    """Decide by hand."""
    try:
        answer = services.steered(
            "decisions.add",
            asker.name,
            target=target.strip(),
            action=action,
            direction=direction,
            seconds=seconds,
            reason=reason,
        )
    except PhageError as error:
        return back(request, own_path(to), str(error), bad=True)
    made = answer["decision"]
    request.state.audit = f"{action} {made['target']}"
    if made["dry_run"]:
        return back(
            request,
            "/decisions?show=recorded",
            f"Recorded, not carried out, as phage only observes: {action} {made['target']}.",
        )
    said = f"{made['target']} is blocked" + ("" if made["until"] else " for ever") + "."
    return back(request, own_path(to), said)


@router.post("/decisions/{id}/undo", dependencies=[_WRITE])
def undo(
    request: Request,
    services: Served,
    asker: Asker,
    id: DecisionId,  # noqa: A002  As in the path.
    to: Annotated[str, Form(max_length=1024)] = "/decisions",
) -> Response:
    """Take a decision back."""
    try:
        answer = services.steered("decisions.revoke", asker.name, names=(id,))
    except PhageError as error:
        return back(request, own_path(to), str(error), bad=True)
    freed = ", ".join(each["target"] for each in answer["decisions"])
    request.state.audit = f"freed {freed}"
    return back(request, own_path(to), f"{freed} is free again.")


@router.post("/panic", dependencies=[_WRITE])
def panic(
    request: Request,
    services: Served,
    asker: Asker,
    on: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Pull the panic switch, or bring blocks back."""
    try:
        services.steered("panic" if on == "yes" else "release", asker.name)
    except PhageError as error:
        return back(request, "/decisions", str(error), bad=True)
    said = "Panic: nothing is blocked now." if on == "yes" else "Blocks are in force again."
    request.state.audit = said
    return back(request, "/decisions", said)
