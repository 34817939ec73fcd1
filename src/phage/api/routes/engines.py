"""Engines that scan files: versions, age of definitions, why one cannot be used; their tests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from phage.api.problem import ProblemError
from phage.api.sampleshapes import engine_shape
from phage.api.security import needs
from phage.api.services import Served, running

router = APIRouter(prefix="/api/v1/engines", tags=["engines"])

_READ = Depends(needs("engines:read"))
_WRITE = Depends(needs("engines:write"))

Name = Annotated[str, Path(max_length=64, pattern="^[a-z0-9_]+$", description="Its name.")]


class EngineRow(BaseModel):
    """An engine as it stands on this machine."""

    id: str
    name: str
    summary: str
    kind: Literal["evilness", "metadata", ""] = Field(description="Whether it judges.")
    place: Literal["sandbox", "service", ""] = Field(description="Where its code runs.")
    accepts: list[str] = Field(description="Kinds of file that it takes; none: all.")
    state: Literal["ready", "idle", "unavailable"]
    version: str
    definitions: str
    built: str = Field(description="When its definitions were made.")
    reason: str = Field(description="Why it is not ready.")
    tested: str = Field(description="When it was last tested on request.")
    fault: str = Field(description="What was wrong then; empty: it passed.")


class Engines(BaseModel):
    """All engines."""

    items: list[EngineRow]


@router.get("", response_model=Engines, dependencies=[_READ])
def list_engines(services: Served) -> Any:
    """List engines as they stand on this machine."""
    desk = running(services.scanning, "file scanning")
    return {"items": [engine_shape(each) for each in desk.engines()]}


@router.get("/{name}", response_model=EngineRow, dependencies=[_READ])
def show_engine(services: Served, name: Name) -> Any:
    """Show an engine."""
    desk = running(services.scanning, "file scanning")
    for each in desk.engines():
        if each.name == name:
            return engine_shape(each)
    message = f"there is no engine {name!r}"
    raise ProblemError(404, message)


@router.post("/{name}/test", response_model=EngineRow, dependencies=[_WRITE])
def test_engine(request: Request, services: Served, name: Name) -> Any:
    """Test an engine in the sandbox: something it finds, something good, garbage. Takes seconds."""
    tested = running(services.scanning, "file scanning").test(name)
    request.state.audit = tested.fault or "passed"
    return engine_shape(tested)
