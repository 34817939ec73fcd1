"""Exporters of flows: routers, switches and probes, by observation domain."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from phage.api.security import needs
from phage.api.services import Served
from phage.api.shapes import exporter_shape
from phage.store.repositories.exporters import MAX_KEPT

router = APIRouter(prefix="/api/v1/exporters", tags=["flows"])


class ExporterRow(BaseModel):
    """One observation domain of an exporter, and what was counted of it."""

    address: str = Field(description="Its address; of sFlow the agent's.")
    domain: int = Field(description="Observation domain, source identifier, engine or sub-agent.")
    version: int
    format: str = Field(description="What the version is called: IPFIX, sFlow 5.")
    name: str
    first_seen: str
    last_seen: str
    sampling: int = Field(description="One packet in so many; 0 where it does not tell.")
    clock_behind_seconds: float = Field(description="How far its clock is behind.")
    datagrams: int
    octets: int
    records: int = Field(description="Flow records and sampled packets.")
    options: int = Field(description="Records of options, samples of counters.")
    templates: int = Field(description="Templates that were learnt or changed.")
    withdrawn: int
    early: int = Field(description="Sets that came before their template.")
    lost: int = Field(description="What the sequence numbers miss.")
    reordered: int
    restarts: int
    unknown_elements: int = Field(description="Fields of templates that have no name.")
    duplicates: int = Field(description="Records of which another exporter had told all.")
    duplicate_packets: int = Field(description="Packets of which another one had told.")
    malformed: int


@router.get("", dependencies=[Depends(needs("flows:read"))])
def list_exporters(
    services: Served,
    limit: Annotated[int, Query(ge=1, le=MAX_KEPT, description="Rows, at most.")] = 1000,
) -> list[ExporterRow]:
    """List exporters by observation domain, those heard last first."""
    with services.reading() as store:
        return [ExporterRow(**exporter_shape(each)) for each in store.exporters.list(limit)]
