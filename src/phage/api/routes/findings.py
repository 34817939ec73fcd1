"""Findings: listed, shown with all behind them, labelled; their packets to download."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.api.shapes import finding_shape
from phage.clock import rfc3339
from phage.records import Finding, FindingState, Severity
from phage.store.repositories.findings import ORDERS, FindingFilter
from phage.store.repositories.labels import FindingLabel, Label
from phage.store.store import Store

router = APIRouter(prefix="/api/v1/findings", tags=["findings"])

_READ = Depends(needs("findings:read"))
_WRITE = Depends(needs("findings:write"))

FindingId = Annotated[
    str, Path(min_length=4, max_length=64, pattern="^[0-9a-zA-Z]+$", description="Its id.")
]


class SubjectRow(BaseModel):
    """Whom a finding is about."""

    mac: str
    ip: str
    device: str


class PeerRow(BaseModel):
    """Somebody the subject had to do with."""

    ip: str
    mac: str
    services: list[str] = Field(description='As "tcp/23".')


class FeatureRow(BaseModel):
    """One number that was unusual, against what is normal."""

    name: str
    value: float | None
    expected_low: float | None
    expected_high: float | None
    unit: str
    weight: float | None = Field(description="Share of the score, 0 to 1.")
    meaning: str


class LabelRow(BaseModel):
    """What a person says that a finding was."""

    label: Label
    note: str
    by: str
    at: str


class FindingRow(Row):
    """A finding."""

    id: str
    detector: str
    severity: Severity
    score: float
    state: FindingState
    subject: SubjectRow
    peers: list[PeerRow]
    peers_total: int
    first_seen: str
    last_seen: str
    packets: int
    count: int = Field(description="How often it was reported.")
    summary: str = Field(description="One sentence.")
    spoofable: bool = Field(description="The evidence is one-way: its source may be forged.")
    evidence: dict[str, Any]
    features: list[FeatureRow]
    capture: str = Field(description="Name of the file with its packets; empty for none.")
    related: list[str]
    label: LabelRow | None


class LabelBody(BaseModel):
    """What a finding was."""

    label: Label
    note: Annotated[str, Field(max_length=1000)] = ""


def _label(label: FindingLabel | None) -> dict[str, Any] | None:
    if label is None:
        return None
    return {
        "label": label.label,
        "note": label.note,
        "by": label.author,
        "at": rfc3339(label.written),
    }


def _shape(finding: Finding, label: FindingLabel | None) -> dict[str, Any]:
    return finding_shape(finding) | {"label": _label(label)}


@router.get("", response_model=Page[FindingRow], dependencies=[_READ])
def list_findings(
    services: Served,
    detector: Annotated[str, Query(max_length=64, description="Only of this detector.")] = "",
    severity: Annotated[Severity | None, Query(description="Of this severity or worse.")] = None,
    state: Annotated[FindingState | None, Query(description="Only in this state.")] = None,
    device: Annotated[str, Query(max_length=64, description="Only of this device.")] = "",
    host: Annotated[
        str, Query(max_length=64, description="With this address or MAC as subject or peer.")
    ] = "",
    since: Moment = None,
    until: Moment = None,
    sort: Annotated[Literal["last_seen", "first_seen", "severity"], Query()] = "last_seen",
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List findings, newest or worst first."""
    order = ORDERS[sort]
    wanted = FindingFilter(
        detector=detector,
        severity=severity,
        state=state,
        device=device,
        party=host,
        since=moment(since, "since"),
        until=moment(until, "until"),
        order=sort,
        before=Keys(order.kinds).read(cursor),
    )
    with services.reading() as store:
        found = store.findings.list(wanted, limit + 1)
        labels = store.labels.of([each.id for each in found])
    return page_of(found, limit, order.keys, lambda each: _shape(each, labels.get(each.id)), fields)


@router.get("/{id}", response_model=FindingRow, dependencies=[_READ])
def show_finding(services: Served, id: FindingId) -> Any:
    """Show a finding with everything behind it; the beginning of its id is enough."""
    with services.reading() as store:
        finding = _found(store, id)
        related = store.findings.related(finding)
        label = store.labels.of([finding.id]).get(finding.id)
    shape = _shape(finding, label)
    return shape | {"related": [each.id for each in related] or shape["related"]}


@router.get(
    "/{id}/packets",
    response_class=FileResponse,
    responses={200: {"content": {"application/vnd.tcpdump.pcap": {}}}},
    dependencies=[Depends(needs("captures:read"))],
)
def download_packets(services: Served, id: FindingId) -> FileResponse:
    """Download the packets that were saved around a finding, as a capture file."""
    with services.reading() as store:
        finding = _found(store, id)
    folder = services.captures
    name = finding.capture
    if folder is None or not name or "/" in name or name.startswith("."):
        message = "no packets were saved with this finding"
        raise ProblemError(404, message)
    path = folder / name
    if path.is_symlink() or not path.is_file():
        message = "its packets are no longer kept"
        raise ProblemError(404, message)
    return FileResponse(path, media_type="application/vnd.tcpdump.pcap", filename=name)


@router.put("/{id}/label", response_model=LabelRow, dependencies=[_WRITE])
def label_finding(
    services: Served, id: FindingId, body: LabelBody, request: Request, asker: Asker
) -> Any:
    """Say what a finding was."""
    with services.reading() as store:
        finding = _found(store, id)
    label = FindingLabel(finding.id, body.label, body.note, asker.name, services.clock.now())
    services.writing.labels.save(label)
    request.state.audit = f"{body.label}: {body.note}" if body.note else str(body.label)
    return _label(label)


@router.delete("/{id}/label", status_code=204, dependencies=[_WRITE])
def unlabel_finding(services: Served, id: FindingId) -> None:
    """Take the label of a finding back."""
    with services.reading() as store:
        finding = _found(store, id)
    services.writing.labels.remove(finding.id)


def _found(store: Store, id: str) -> Finding:
    finding = store.findings.get(id)
    if finding is None:
        message = f"there is no finding {id!r}, or several begin so"
        raise ProblemError(404, message)
    return finding
