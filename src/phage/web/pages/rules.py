"""Rules: in the order in which they are asked, and an editor that says what they would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints

from phage.api.desks import FileText, RuleDesk
from phage.api.problem import ProblemError
from phage.api.rulefiles import changed_files, in_order, rule_id
from phage.api.security import Asker, needs
from phage.api.services import Served, running
from phage.errors import PhageError
from phage.frozen import frozen
from phage.policy.writing.writer import match_values
from phage.web.render import back, page
from phage.web.state import state_of

if TYPE_CHECKING:
    from phage.policy.rule import Rule

router = APIRouter(include_in_schema=False)

DAY = 86_400 * 10**9
TRIAL_SECONDS = 60.0
MAX_TEXT = 1 << 19
NEW = """\
rules:
  - name: My first rule
    match: {source: home, destination: internet, service: telnet}
    action: drop
    mode: dry-run
"""

FileName = Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")]
RuleId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{12}$")]
MOST_ORDERED = 900
"""Rules that are put in order here: a form has at most 1,000 fields."""
_ON_TRIAL = f"In force for {TRIAL_SECONDS:.0f} s. Confirm, or the rules before come back."
_READ = Depends(needs("rules:read"))
_WRITE = Depends(needs("rules:write"))


@frozen
class Shown:
    """A rule as a row: what it asks in words, and how often it was met."""

    id: str
    rule: Rule
    match: str
    packets: int = 0
    last_hit: int = 0


def _desk(services: Served) -> RuleDesk:
    return running(services.rules, "what decides")


@router.get("/rules", dependencies=[_READ])
def rules(request: Request, services: Served) -> HTMLResponse:
    """List rules in the order in which they are asked."""
    desk = _desk(services)
    with services.reading() as store:
        hits = {each.rule: each for each in store.rule_hits.list()}
    shown = []
    for rule in desk.rules():
        met = hits.get(rule.name)
        shown.append(
            Shown(
                rule_id(rule.name),
                rule,
                words(match_values(rule.match)),
                met.packets if met else 0,
                met.last_hit if met else 0,
            )
        )
    return page(
        request,
        "rules.html",
        rules=shown,
        files=desk.files(),
        state=state_of(services),
        most_ordered=MOST_ORDERED,
    )


def words(value: object) -> str:
    """Return a match in one line: "source home, service ssh or telnet"."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(each)}" for key, each in value.items())
    return _inner(value)


def _inner(value: object) -> str:
    if isinstance(value, dict):
        return f"({words(value)})"
    if isinstance(value, list):
        return " or ".join(map(_inner, value))
    return str(value)


@router.post("/rules/order", dependencies=[_WRITE])
def order_rules(
    request: Request,
    services: Served,
    asker: Asker,
    rule: Annotated[list[RuleId], Form(min_length=1, max_length=MOST_ORDERED)],
    move: Annotated[str, Form(max_length=20, pattern="^([0-9a-f]{12}:(up|down))?$")] = "",
) -> Response:
    """Write an order of rules to their files, and apply it on trial.

    `move` is one that goes a place up or down, where the browser has no script.
    """
    desk = _desk(services)
    try:
        texts = in_order(desk, moved(rule, *move.split(":")))
        if not texts:
            return back(request, "/rules", "That is the order already.")
        with changed_files(desk, texts):
            services.steered("rules.apply", asker.name, confirm=TRIAL_SECONDS)
    except PhageError as error:
        return back(request, "/rules", str(error), bad=True)
    request.state.audit = "order, on trial"
    return back(request, "/rules", _ON_TRIAL)


def moved(ids: list[str], which: str = "", way: str = "") -> list[str]:
    """Return ids with one of them a place further up or down, where there is room."""
    if which not in ids or not way:
        return ids
    place = ids.index(which)
    rest = [each for each in ids if each != which]
    rest.insert(max(0, place + (-1 if way == "up" else 1)), which)
    return rest


@router.get("/rules/{name}", dependencies=[_READ])
def rule_file(
    request: Request,
    services: Served,
    name: FileName,
    line: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> HTMLResponse:
    """Show a rule file in the editor; a new one where there is none of this name."""
    desk = _desk(services)
    found = _file(desk, name)
    return _editor(request, found, found.text, line=line)


def _file(desk: RuleDesk, name: str) -> FileText:
    found = [each for each in desk.files() if each.name == name]
    return found[0] if found else FileText(name, NEW, "")


def _editor(
    request: Request, file: FileText, text: str, *, status: int = 200, line: int = 0, **values: Any
) -> HTMLResponse:
    fields = {"judgement": None, "forecast": None, "fault": "", "trial": int(TRIAL_SECONDS)}
    return page(
        request, "rulefile.html", status, file=file, text=text, line=line, **{**fields, **values}
    )


@router.post("/rules/{name}", dependencies=[_WRITE])
def edit_rules(
    request: Request,
    services: Served,
    asker: Asker,
    name: FileName,
    act: Annotated[Literal["check", "forecast", "save", "trial", "remove"], Form()],
    text: Annotated[str, Form(max_length=MAX_TEXT)] = "",
) -> Response:
    """Judge a text, try it against the last day, save it, or save and apply it on trial."""
    desk = _desk(services)
    file, text = _file(desk, name), text.replace("\r\n", "\n")
    try:
        if act == "remove":
            desk.remove(name)
            request.state.audit = f"removed {name}"
            said = f"{name} is removed; what is in force stays until rules are applied."
            return back(request, "/rules", said)
        judgement = desk.judge(name, text)
        if act == "check" or not judgement.is_usable:
            request.state.unaudited = True
            return _editor(request, file, text, judgement=judgement)
        if act == "forecast":
            request.state.unaudited = True
            forecast = desk.forecast(name, text, services.clock.now() - DAY)
            return _editor(request, file, text, judgement=judgement, forecast=forecast)
        desk.save(name, text)
        request.state.audit = f"saved {name}"
        to = f"/rules/{quote(name)}"
        if act == "save":
            return back(request, to, f"{name} is saved. It comes into force when it is applied.")
        services.steered("rules.apply", asker.name, confirm=TRIAL_SECONDS)
        request.state.audit = f"saved {name} and applied it on trial"
        return back(request, "/rules", _ON_TRIAL)
    except ProblemError:
        raise
    except PhageError as error:
        return _editor(request, file, text, fault=str(error))


@router.post("/rules", dependencies=[_WRITE])
def steer_rules(
    request: Request,
    services: Served,
    asker: Asker,
    act: Annotated[Literal["apply", "trial", "confirm", "rollback"], Form()],
) -> Response:
    """Bring rule files into force, for good or on trial; confirm a trial, or end it."""
    verb = "rules.apply" if act in {"apply", "trial"} else f"rules.{act}"
    values = {"confirm": TRIAL_SECONDS if act == "trial" else 0.0} if verb == "rules.apply" else {}
    try:
        services.steered(verb, asker.name, **values)
    except PhageError as error:
        return back(request, "/rules", str(error), bad=True)
    request.state.audit = act
    said = {
        "apply": "The rule files are in force.",
        "trial": _ON_TRIAL,
        "confirm": "Confirmed: the rules stay.",
        "rollback": "The rules before are in force again.",
    }[act]
    return back(request, "/rules", said)
