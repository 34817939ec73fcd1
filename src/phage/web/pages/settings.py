"""Settings: every key with its meaning, and the file itself; comments are kept."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from phage.api.security import needs
from phage.api.services import Served, running
from phage.config.local import is_local
from phage.errors import PhageError
from phage.web.render import back, page

router = APIRouter(include_in_schema=False)

MAX_TEXT = 1 << 18
SAVED = "Saved. It is used when phage is started next."

_READ = Depends(needs("config:read"))
_WRITE = Depends(needs("config:write"))


@router.get("/settings", dependencies=[_READ])
def settings(
    request: Request, services: Served, q: Annotated[str, Query(max_length=64)] = ""
) -> HTMLResponse:
    """List every key in force, by section."""
    desk = running(services.settings, "the settings file")
    wanted = q.lower().strip()
    keys = [
        each
        for each in desk.settings()
        if wanted in ".".join(each.key).lower() or wanted in each.meaning.lower()
    ]
    sections = [
        (name, list(members))
        for name, members in groupby(keys, key=lambda each: ".".join(each.key[:-1]) or "general")
    ]
    local = {each.key for each in keys if is_local(".".join(each.key))}
    return page(request, "settings.html", sections=sections, q=q, file=desk.file(), local=local)


@router.post("/settings", dependencies=[_WRITE])
def change_setting(
    request: Request,
    services: Served,
    key: Annotated[str, Form(max_length=200, pattern=r"^[a-z0-9_.]+$")],
    value: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Change one key in the file."""
    desk = running(services.settings, "the settings file")
    try:
        desk.save(desk.changed(tuple(key.split(".")), value))
    except PhageError as error:
        return back(request, "/settings", str(error), bad=True)
    request.state.audit = key
    return back(request, "/settings", f"{key}: {SAVED[0].lower()}{SAVED[1:]}")


@router.get("/settings/file", dependencies=[_WRITE])
def settings_file(request: Request, services: Served) -> HTMLResponse:
    """Show the settings file in an editor, with its secrets masked."""
    desk = running(services.settings, "the settings file")
    try:
        file = desk.shown()
    except PhageError as error:
        return _editor(request, desk.file().place, "", faults=[str(error)], is_checked=True)
    return _editor(request, file.place, file.text)


@router.post("/settings/file", dependencies=[_WRITE])
def edit_settings(
    request: Request,
    services: Served,
    act: Annotated[str, Form(pattern="^(check|save)$")],
    text: Annotated[str, Form(max_length=MAX_TEXT)] = "",
) -> Response:
    """Check the settings file's text, or save it."""
    desk = running(services.settings, "the settings file")
    place, plain = desk.file().place, text.replace("\r\n", "\n")
    faults = list(desk.check(plain))
    if act == "check" or faults:
        request.state.unaudited = True
        return _editor(request, place, plain, faults=faults, is_checked=True)
    try:
        desk.save(plain)
    except PhageError as error:
        return _editor(request, place, plain, faults=str(error).splitlines(), is_checked=True)
    request.state.audit = "the whole file"
    return back(request, "/settings/file", SAVED)


def _editor(request: Request, place: str, text: str, **values: Any) -> HTMLResponse:
    fields: dict[str, Any] = {"faults": [], "is_checked": False}
    return page(request, "settingsfile.html", place=place, text=text, **{**fields, **values})
