"""Settings: what is in force, without secrets; checked, changed in their file, imported."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field, JsonValue
from pydantic_core import to_json

from phage.api.desks import Setting, SettingsDesk
from phage.api.problem import Fault, ProblemError
from phage.api.security import needs
from phage.api.services import Served, Services, running
from phage.config.local import is_local
from phage.config.masking import masked
from phage.policy.adoption.adopting import adopt
from phage.policy.adoption.importing import import_text
from phage.policy.importer import Source

router = APIRouter(prefix="/api/v1/config", tags=["config"])

_READ = Depends(needs("config:read"))
_WRITE = Depends(needs("config:write"))

Text = Annotated[str, Field(max_length=900_000)]
Key = Annotated[
    str,
    Path(pattern=r"^[a-z0-9_]+(\.[A-Za-z0-9_-]+)*$", max_length=200, description="As api.listen."),
]


class SettingRow(BaseModel):
    """One key."""

    key: str
    meaning: str
    value: str = Field(description="In force, as YAML; a secret is masked.")
    default: str
    is_secret: bool
    is_written: bool = Field(description="It stands in the file.")


class ConfigInfo(BaseModel):
    """The settings in force."""

    place: str = Field(description="The file.")
    settings: list[SettingRow]


class CheckBody(BaseModel):
    """The text of a settings file."""

    text: Text


class CheckInfo(BaseModel):
    """What is wrong with it."""

    usable: bool
    faults: list[str]


class ValueBody(BaseModel):
    """The value that a key is to have."""

    value: JsonValue


class ChangedInfo(BaseModel):
    """A change was written; it is used from the next start."""

    key: str
    restart: bool = Field(description="Always: settings are read when phage starts.")


class ImportBody(BaseModel):
    """A file of another program: of PhantomFirewall, phalanx or FastNetMon."""

    name: Annotated[str, Field(max_length=100, description="Its name, for messages.")] = "import"
    text: Text
    dry_run: Annotated[bool, Field(description="Say what would change, and change nothing.")] = True


class LeftRow(BaseModel):
    """What is not imported."""

    line: int
    what: str
    reason: str


class ImportInfo(BaseModel):
    """What an import changes."""

    program: str
    rules: str = Field(description="The new rule file; all of it in dry run.")
    settings: str = Field(description="The change of the settings file, as a unified diff.")
    left: list[LeftRow]
    warnings: list[str] = Field(description="What is not as it was there.")
    written: bool


def _desk(services: Services) -> SettingsDesk:
    return running(services.settings, "what reads settings")


def _etag(desk: SettingsDesk) -> str:
    return f'"{hashlib.sha256(desk.file().text.encode()).hexdigest()[:32]}"'


def _row(setting: Setting) -> SettingRow:
    return SettingRow(
        key=".".join(setting.key),
        meaning=setting.meaning,
        value=setting.value,
        default=setting.default,
        is_secret=setting.is_secret,
        is_written=setting.is_written,
    )


@router.get("", dependencies=[_READ])
def show_config(services: Served, response: Response) -> ConfigInfo:
    """Show every key in force; secrets are masked. The ETag is the file's, for If-Match."""
    desk = _desk(services)
    response.headers["ETag"] = _etag(desk)
    return ConfigInfo(place=desk.file().place, settings=[_row(each) for each in desk.settings()])


@router.post("/check", dependencies=[_READ])
def check_config(body: CheckBody, services: Served) -> CheckInfo:
    """Say what is wrong with the text of a settings file; nothing is changed."""
    faults = list(_desk(services).check(body.text))
    return CheckInfo(usable=not faults, faults=faults)


@router.put("/keys/{key}", dependencies=[_WRITE])
def set_key(
    body: ValueBody,
    services: Served,
    request: Request,
    response: Response,
    key: Key,
    if_match: Annotated[str, Header(max_length=200)] = "",
) -> ChangedInfo:
    """Change a key in the settings file; all else in it stays as it is."""
    if is_local(key):
        message = f"{key} is changed on phage's own machine only, in the settings file"
        raise ProblemError(403, message, kind="local")
    desk = _desk(services)
    if if_match and if_match not in {"*", _etag(desk)}:
        message = "the settings have changed meanwhile; read them again"
        raise ProblemError(412, message)
    text = desk.changed(tuple(key.split(".")), to_json(body.value).decode())
    if faults := desk.check(text):
        raise ProblemError(
            422,
            "the settings stay as they are",
            kind="config",
            errors=[Fault(where=key, detail=each) for each in faults[:20]],
        )
    desk.save(text)
    request.state.audit = key  # Not the value: it may be a secret.
    response.headers["ETag"] = _etag(desk)
    return ChangedInfo(key=key, restart=True)


@router.post("/import", dependencies=[_WRITE])
def import_config(body: ImportBody, services: Served, request: Request) -> ImportInfo:
    """Import rules and settings of another program; rules come in dry run, into a new file."""
    desk, rules = _desk(services), running(services.rules, "what reads rules")
    imported = import_text(Source(body.name, body.text))
    file = desk.file()
    taken = [rule.name for rule in rules.rules()]
    made = adopt(imported, body.name, taken, file.text, file.place)
    if not body.dry_run:
        if made.rules:
            rules.save(f"{imported.program.lower()}.yaml", made.rules)
        if made.after != made.before:
            desk.save(made.after)
    request.state.unaudited = body.dry_run
    request.state.audit = imported.program
    return ImportInfo(
        program=imported.program,
        rules=made.rules,
        settings=replace(
            made, before=masked(made.before, file.name), after=masked(made.after, file.name)
        ).diff(file.name),
        left=[LeftRow(line=each.line, what=each.what, reason=each.reason) for each in made.left],
        warnings=list(imported.warnings),
        written=not body.dry_run,
    )
