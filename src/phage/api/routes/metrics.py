"""The metrics of /metrics, as JSON."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from phage.api.security import needs
from phage.api.services import Served

router = APIRouter(prefix="/api/v1/metrics", tags=["metrics"])


class Sample(BaseModel):
    """One series."""

    labels: dict[str, str]
    value: float


class MetricRow(BaseModel):
    """One metric with its series."""

    name: str
    kind: str
    meaning: str
    samples: list[Sample]


@router.get("", dependencies=[Depends(needs("metrics:read"))])
def list_metrics(services: Served) -> list[MetricRow]:
    """List all metrics, by name."""
    return [
        MetricRow(
            name=metric.name,
            kind=metric.kind,
            meaning=metric.meaning,
            samples=[
                Sample(labels=dict(zip(metric.labels, values, strict=True)), value=number)
                for values, number in metric.samples()
            ],
        )
        for metric in services.registry.metrics()
    ]
