"""Rules: listed, added, changed, put in order, tried; and the files in which they are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import JsonValue

from phage.api.desks import FileText, Judgement, Remark, RuleDesk
from phage.api.moments import moment
from phage.api.problem import ProblemError
from phage.api.rulefiles import changed_files, in_order, rule_id
from phage.api.rulemodels import (
    ADDED,
    Applied,
    ApplyBody,
    CandidateBody,
    EffectRow,
    FileRow,
    JudgementInfo,
    OrderBody,
    OwnRule,
    PhantomRule,
    PlanBody,
    PlanInfo,
    RemarkRow,
    RuleRow,
    TextBody,
)
from phage.api.security import Asker, needs
from phage.api.services import Served, Services, running
from phage.clock import rfc3339
from phage.policy.adoption.importing import import_text
from phage.policy.adoption.writer import write_rules
from phage.policy.importer import Source
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Rule
from phage.policy.writing.edit import replaced_rule, with_rule, without_rule
from phage.policy.writing.writer import dump, rule_values

router = APIRouter(prefix="/api/v1/rules", tags=["rules"])

_READ = Depends(needs("rules:read"))
_WRITE = Depends(needs("rules:write"))

DAY_NS = 86_400 * 10**9

RuleId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", description="Its id.")]
FileName = Annotated[
    str, Path(min_length=1, max_length=70, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")
]
IfMatch = Annotated[
    str, Header(max_length=200, description="The ETag that was read; changed since: 412.")
]


def _desk(services: Services) -> RuleDesk:
    return running(services.rules, "what reads rules")


def _row(rule: Rule, hits: Mapping[str, tuple[int, int]]) -> RuleRow:
    packets, last = hits.get(rule.name, (0, 0))
    return RuleRow(
        id=rule_id(rule.name),
        name=rule.name,
        priority=rule.priority,
        mode=rule.mode.value,
        about="findings" if rule.is_about_findings else "packets",
        action=[verb.value for verb in rule.actions],
        comment=rule.comment,
        file=rule.place.file.rpartition("/")[2],
        line=rule.place.line,
        rule=rule_values(rule),
        packets=packets,
        last_hit=rfc3339(last) if last else "",
    )


def _hits(services: Services) -> dict[str, tuple[int, int]]:
    with services.reading() as store:
        return {each.rule: (each.packets, each.last_hit) for each in store.rule_hits.list()}


def _etag(text: str) -> str:
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _remarks(found: object) -> list[RemarkRow]:
    remarks: list[Remark] = list(found)  # type: ignore[call-overload]
    return [
        RemarkRow(line=each.line, column=each.column, gravity=each.gravity, text=each.text)
        for each in remarks
    ]


@router.get("", dependencies=[_READ])
def list_rules(services: Served) -> list[RuleRow]:
    """List rules in the order in which they are asked."""
    hits = _hits(services)
    return [_row(rule, hits) for rule in _desk(services).rules()]


@router.post("", status_code=201, dependencies=[_WRITE])
def add_rule(
    body: PhantomRule | OwnRule, request: Request, services: Served, asker: Asker
) -> Applied:
    """Add a rule and bring it into force; in dry run unless it says otherwise."""
    desk = _desk(services)
    values = body.rule if isinstance(body, OwnRule) else _translated(body, desk)
    file = _file_for(desk, body.file if isinstance(body, OwnRule) else None)
    name = str(values.get("name", ""))
    request.state.audit = f"{name} in {file.name}"
    return _changed(services, asker.name, file.name, with_rule(file.text, file.name, values), name)


@router.put("/order", dependencies=[_WRITE])
def order_rules(body: OrderBody, services: Served, asker: Asker) -> list[RuleRow]:
    """Have rules asked in an order; those that are not named keep their priority."""
    desk = _desk(services)
    with changed_files(desk, in_order(desk, body.ids)):
        services.steered("rules.apply", asker.name, confirm=0.0)
    return list_rules(services)


@router.post("/check", dependencies=[_READ])
def check_rules(body: CandidateBody, services: Served) -> JudgementInfo:
    """Say what is wrong with a text, and run the tests in it; nothing is changed."""
    return _judgement(_desk(services).judge(body.file, body.text))


@router.post("/test", dependencies=[_READ])
def test_rules(services: Served) -> list[JudgementInfo]:
    """Run the tests of all rule files."""
    desk = _desk(services)
    return [_judgement(desk.judge(file.name, file.text)) for file in desk.files()]


@router.post("/plan", dependencies=[_READ])
def plan_rules(body: PlanBody, services: Served) -> PlanInfo:
    """Say what rules would have done, if a file had this text; nothing is changed."""
    since = moment(body.since, "since")
    begin = services.clock.now() - DAY_NS if since is None else since
    found = _desk(services).forecast(body.file, body.text, begin)
    return PlanInfo(
        since=rfc3339(found.since),
        flows=found.flows,
        blocked=found.blocked,
        freed=found.freed,
        rules=[
            EffectRow(
                rule=each.rule,
                mode=each.mode,
                action=list(each.action),
                flows=each.flows,
                octets=each.octets,
                findings=each.findings,
                ours=each.ours,
                is_certain=each.is_certain,
            )
            for each in found.rules
        ],
        changes=[dict(each) for each in found.changes],
    )


@router.post("/apply", dependencies=[_WRITE])
def apply_rules(body: ApplyBody, services: Served, asker: Asker) -> Applied:
    """Bring the rule files into force, on trial if wanted."""
    return _applied(services.steered("rules.apply", asker.name, confirm=body.confirm))


@router.post("/confirm", dependencies=[_WRITE])
def confirm_rules(services: Served, asker: Asker) -> Applied:
    """Let the rules on trial stand."""
    return _applied(services.steered("rules.confirm", asker.name))


@router.post("/rollback", dependencies=[_WRITE])
def roll_back_rules(services: Served, asker: Asker) -> Applied:
    """Go back from the rules on trial to those before."""
    return _applied(services.steered("rules.rollback", asker.name))


@router.get("/files", dependencies=[_READ])
def list_files(services: Served) -> list[FileRow]:
    """List the rule files, with their text."""
    return [_file_row(file) for file in _desk(services).files()]


@router.get("/files/{name}", dependencies=[_READ])
def show_file(services: Served, response: Response, name: FileName) -> FileRow:
    """Show a rule file; its ETag is for If-Match."""
    row = _file_row(_file(_desk(services), name))
    response.headers["ETag"] = row.etag
    return row


@router.put("/files/{name}", dependencies=[_WRITE])
def put_file(
    body: TextBody, services: Served, response: Response, name: FileName, if_match: IfMatch = ""
) -> FileRow:
    """Write a rule file; it comes into force by `apply`. What cannot be used is refused."""
    desk = _desk(services)
    known = {file.name: file for file in desk.files()}
    _require_match(if_match, known.get(name))
    with changed_files(desk, {name: body.text}):
        row = _file_row(_file(desk, name))
    response.headers["ETag"] = row.etag
    return row


@router.delete("/files/{name}", status_code=204, dependencies=[_WRITE])
def remove_file(services: Served, name: FileName, if_match: IfMatch = "") -> None:
    """Remove a rule file; what was in force ends by `apply`."""
    desk = _desk(services)
    _require_match(if_match, _file(desk, name))
    desk.remove(name)


@router.get("/{id}", dependencies=[_READ])
def show_rule(services: Served, response: Response, id: RuleId) -> RuleRow:
    """Show a rule; its ETag is for If-Match."""
    rule = _rule(_desk(services), id)
    response.headers["ETag"] = _etag(dump(rule_values(rule)))
    return _row(rule, _hits(services))


@router.put("/{id}", dependencies=[_WRITE])
def put_rule(
    body: PhantomRule | OwnRule, services: Served, asker: Asker, id: RuleId, if_match: IfMatch = ""
) -> Applied:
    """Change a rule in its file, and bring it into force."""
    desk = _desk(services)
    rule = _rule(desk, id)
    _require_rule_match(if_match, rule)
    values = body.rule if isinstance(body, OwnRule) else _translated(body, desk, rule.name)
    file = _file(desk, rule.place.file.rpartition("/")[2])
    text = replaced_rule(file.text, file.name, rule.name, values)
    return _changed(services, asker.name, file.name, text, str(values.get("name", "")))


@router.delete("/{id}", dependencies=[_WRITE])
def remove_rule(services: Served, asker: Asker, id: RuleId, if_match: IfMatch = "") -> Applied:
    """Take a rule out of its file, and out of force."""
    desk = _desk(services)
    rule = _rule(desk, id)
    _require_rule_match(if_match, rule)
    file = _file(desk, rule.place.file.rpartition("/")[2])
    text = without_rule(file.text, file.name, rule.name)
    return _changed(services, asker.name, file.name, text, "")


def _translated(body: PhantomRule, desk: RuleDesk, former: str = "") -> dict[str, JsonValue]:
    """Return PhantomFirewall's rule in phage's own words. Raises ConfigError, RuleError."""
    given = body.model_dump(exclude_none=True)
    imported = import_text(Source("request", dump({"phantom": {"rules": [given]}})))
    if not imported.rules:
        reason = imported.left[0].reason if imported.left else "it says nothing"
        raise ProblemError(422, f"that rule is not taken over: {reason}")
    taken = {rule.name for rule in desk.rules()} - {former}
    (rule,) = read_rules(write_rules(imported, "the API", taken), "request").rules
    values: dict[str, JsonValue] = rule_values(rule)
    return values | {"priority": body.priority}


def _file_for(desk: RuleDesk, wanted: str | None) -> FileText:
    """Return the file to which a rule is added.

    Where there are only files that came with phage, one of them: a new file would put them out of
    use.
    """
    files = {file.name: file for file in desk.files()}
    if wanted is not None and wanted not in files:
        message = f"there is no rule file {wanted!r}; there are {', '.join(files)}"
        raise ProblemError(404, message)
    own = [file for file in files.values() if not file.is_shipped]
    name = wanted or (ADDED if own or not files else next(iter(files)))
    return files.get(name, FileText(name, "", name))


def _file(desk: RuleDesk, name: str) -> FileText:
    for file in desk.files():
        if file.name == name:
            return file
    message = f"there is no rule file {name!r}"
    raise ProblemError(404, message)


def _rule(desk: RuleDesk, wanted: str) -> Rule:
    for rule in desk.rules():
        if rule_id(rule.name) == wanted:
            return rule
    message = f"there is no rule with the id {wanted}; GET /api/v1/rules lists them"
    raise ProblemError(404, message)


def _require_match(if_match: str, file: FileText | None) -> None:
    if if_match and (file is None or if_match not in {"*", _etag(file.text)}):
        message = "the file has changed meanwhile; read it again"
        raise ProblemError(412, message)


def _require_rule_match(if_match: str, rule: Rule) -> None:
    if if_match and if_match not in {"*", _etag(dump(rule_values(rule)))}:
        message = "the rule has changed meanwhile; read it again"
        raise ProblemError(412, message)


def _changed(services: Services, actor: str, file: str, text: str, name: str) -> Applied:
    """Write a file and bring it into force; what is refused then is taken back."""
    desk = _desk(services)
    with changed_files(desk, {file: text}):
        answer = services.steered("rules.apply", actor, confirm=0.0)
    found = [rule for rule in desk.rules() if name and rule.name == name]
    return _applied(answer, _row(found[0], _hits(services)) if found else None)


def _applied(answer: Mapping[str, Any], rule: RuleRow | None = None) -> Applied:
    return Applied(
        rule=rule,
        rules=answer["rules"],
        enforced=answer["enforced"],
        trial_until=answer["trial_until"],
    )


def _judgement(judged: Judgement) -> JudgementInfo:
    return JudgementInfo(
        usable=judged.is_usable,
        rules=judged.rules,
        remarks=_remarks(judged.remarks),
        tests_passed=judged.passed,
        tests_failed=_remarks(judged.failed),
    )


def _file_row(file: FileText) -> FileRow:
    return FileRow(
        name=file.name,
        place=file.place,
        is_shipped=file.is_shipped,
        etag=_etag(file.text),
        text=file.text,
    )
