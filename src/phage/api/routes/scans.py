"""Active scans of our own network, what they found, and what was different."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from phage.api.moments import Moment, moment
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.scanshapes import diff_shape, scan_shape, service_shape
from phage.api.security import Asker, needs
from phage.api.services import Served
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, Service
from phage.store.repositories.scans import DiffFilter

router = APIRouter(prefix="/api/v1", tags=["scans"])

_READ = Depends(needs("scans:read"))
_WRITE = Depends(needs("scans:write"))

_SCAN_KEYS = Keys((int, str))
_DIFF_KEYS = Keys((int, str, str, str))
_SERVICE_KEYS = Keys((int,))

ScanId = Annotated[
    str,
    Path(min_length=4, max_length=32, pattern="^[0-9a-z]+$", description="Its id, or `last`."),
]


class ServiceRow(BaseModel):
    """A port that is open."""

    protocol: str
    port: int
    name: str
    banner: str = Field(description="What it said, bounded; it is hostile until proved otherwise.")
    software: str
    certain: bool


class HostRow(BaseModel):
    """A host that answered."""

    address: str
    mac: str
    interface: str
    ways: list[str] = Field(description="By what it answered: arp, nd, icmp, mdns, ssdp, self.")
    services: list[ServiceRow]
    facts: dict[str, dict[str, Any]]
    says: str


class ScanRow(Row):
    """A scan."""

    id: str
    state: Literal["running", "done", "stopped", "failed"]
    by: str
    started: str
    ended: str
    seconds: float | None
    targets: list[str]
    ports: str
    fast: bool
    hosts_total: int
    sent: int
    dropped: dict[str, int]
    fault: str


class WholeScan(ScanRow):
    """A scan with its hosts."""

    hosts: list[HostRow]


class DiffRow(Row):
    """Something that a scan found to be different."""

    scan: str
    at: str
    status: Change
    host: str
    mac: str
    service: str = Field(description='As "tcp/22"; empty: the host itself.')
    before: str
    after: str
    notice: bool = Field(description="A person should be told.")


class FoundService(Row):
    """A service that the last scan found."""

    id: str = Field(description="Address, protocol and port.")
    address: str
    mac: str
    protocol: str
    port: int
    name: str
    banner: str
    software: str
    certain: bool


class ScanBody(BaseModel):
    """What is to be scanned; only our own networks are."""

    targets: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=64)] = []
    ports: Annotated[str, Field(max_length=1000)] = "top100"
    fast: bool = False
    udp: bool = True
    browse: bool = True
    outside: bool = False
    credentials: bool = Field(default=False, description="Try the passwords that makers ship.")


class Begun(BaseModel):
    """A scan that begins, or was stopped; '' where none ran."""

    scan: str


class Progress(BaseModel):
    """How far the scan that runs is."""

    scan: str = Field(description="Its id; empty: none runs.")
    done: int = Field(description="Of 1,000.")
    what: str
    notes: list[str] = Field([], description="What could not be done, and why.")


@router.get("/scans", response_model=Page[ScanRow], dependencies=[_READ])
def list_scans(
    services: Served, limit: Limit = 100, cursor: Cursor = "", fields: Fields = ""
) -> Any:
    """List scans, the latest first."""
    with services.reading() as store:
        found = store.scans.latest(limit + 1, _SCAN_KEYS.read(cursor))
    return page_of(found, limit, _scan_key, lambda each: scan_shape(each, hosts=False), fields)


@router.post("/scans", status_code=202, response_model=Begun, dependencies=[_WRITE])
def start_scan(body: ScanBody, request: Request, services: Served, asker: Asker) -> Any:
    """Begin a scan; the answer does not wait for its end."""
    values = {**body.model_dump(), "targets": tuple(body.targets)}
    answer = services.steered("devices.scan", asker.name, **values)
    request.state.audit = f"{answer['scan']}: {' '.join(body.targets)}"
    return answer


@router.get("/scans/running", response_model=Progress, dependencies=[_READ])
def show_running_scan(services: Served, asker: Asker) -> Any:
    """Tell how far the scan that runs is."""
    return services.steered("devices.scan.status", asker.name)


@router.delete("/scans/running", response_model=Begun, dependencies=[_WRITE])
def stop_scan(services: Served, asker: Asker) -> Any:
    """Stop the scan that runs; what it found until then is kept."""
    return services.steered("devices.scan.stop", asker.name)


@router.get("/scans/{id}", response_model=WholeScan, dependencies=[_READ])
def show_scan(services: Served, id: ScanId) -> Any:
    """Show a scan with the hosts that it found."""
    with services.reading() as store:
        found = store.scans.get(id)
    if found is None:
        message = f"there is no scan {id!r}, or several begin so"
        raise ProblemError(404, message)
    return scan_shape(found)


@router.get("/scan_diffs", response_model=Page[DiffRow], dependencies=[_READ])
def list_scan_diffs(
    services: Served,
    scan: Annotated[str, Query(max_length=32, description="Only of this scan.")] = "",
    host: Annotated[str, Query(max_length=64, description="Only of this address.")] = "",
    status: Annotated[Change | None, Query()] = None,
    notices: Annotated[bool, Query(description="Only those worth a notice.")] = False,
    since: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List what scans found to be different, the latest first."""
    wanted = DiffFilter(
        scan, host, status, notices, moment(since, "since"), _DIFF_KEYS.read(cursor)
    )
    with services.reading() as store:
        found = store.scans.diffs(wanted, limit + 1)
    return page_of(found, limit, _diff_key, diff_shape, fields)


@router.get("/services", response_model=Page[FoundService], dependencies=[_READ])
def list_services(
    services: Served,
    host: Annotated[str, Query(max_length=64, description="Only of this address or MAC.")] = "",
    name: Annotated[str, Query(max_length=64, description="Only of this kind: ssh.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List the services that the last scan found."""
    after = _SERVICE_KEYS.read(cursor)
    with services.reading() as store:
        last = next(iter(store.scans.latest(1)), None)
    found = [
        (at, each, service)
        for at, (each, service) in enumerate(_services(last))
        if (not host or host.lower() in {each.address, each.mac})
        and (not name or service.name == name)
        and (after is None or at > int(after[0]))
    ]
    return page_of(found[: limit + 1], limit, lambda row: (row[0],), _service, fields)


def _services(scan: Scan | None) -> list[tuple[ScanHost, Service]]:
    hosts = scan.hosts if scan is not None else ()
    return [(host, service) for host in hosts for service in host.services]


def _service(row: tuple[int, ScanHost, Service]) -> dict[str, Any]:
    _, host, service = row
    return {
        "id": f"{host.address} {service.key}",
        "address": host.address,
        "mac": host.mac,
        **service_shape(service),
    }


def _scan_key(scan: Scan) -> tuple[int, str]:
    return scan.started, scan.id


def _diff_key(diff: ScanDiff) -> tuple[int, str, str, str]:
    return diff.at, diff.host, diff.service, str(diff.status)
