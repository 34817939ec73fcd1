"""Channels: whom phage tells, what became of it, and a test."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from phage.api.security import Asker, needs
from phage.api.services import Served

router = APIRouter(prefix="/api/v1/channels", tags=["channels"])

Name = Annotated[str, Path(min_length=1, max_length=64, description="As in the settings.")]


class ChannelRow(BaseModel):
    """One channel, and what became of its notices since the start."""

    name: str
    type: str = Field(description="The notifier, as webhook.")
    least: str = Field(description="What is less severe is not told.")
    always: bool = Field(description="It is told everything; else what rules name it for.")
    digest_seconds: float
    told: int = Field(description="Notices that were told.")
    messages: int = Field(description="Messages that were sent; one may tell many notices.")
    repeated: int
    left_out: int
    failed: int
    retries: int
    fault: str = Field(description="Its last error; empty when all is well.")


class ProbeInfo(BaseModel):
    """A test that was taken by where the channel sends to."""

    channel: str
    told: bool


@router.get("", dependencies=[Depends(needs("config:read"))])
def list_channels(services: Served, asker: Asker) -> list[ChannelRow]:
    """List whom phage tells."""
    answer = services.steered("channels.list", asker.name)
    return [ChannelRow.model_validate(each) for each in answer["channels"]]


@router.post("/{name}/test", dependencies=[Depends(needs("config:write"))])
def probe_channel(services: Served, asker: Asker, name: Name) -> ProbeInfo:
    """Tell one channel that this is a test, past digest and quiet hours."""
    return ProbeInfo.model_validate(dict(services.steered("channels.test", asker.name, name=name)))
