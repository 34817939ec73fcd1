"""Known vulnerabilities, and which of them concern a device."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from phage.api.affected import entries_of
from phage.api.memory import Remembered
from phage.api.paging import Cursor, Fields, Keys, Limit, Page, Row, page_of
from phage.api.problem import ProblemError
from phage.api.scanshapes import affected_shape, cve_shape
from phage.api.security import needs
from phage.api.services import Served
from phage.devices.vulnerabilities.matching import Matcher
from phage.devices.vulnerabilities.network import Wanted
from phage.devices.vulnerabilities.software import software_of
from phage.records.device import Device
from phage.records.vulnerability import Affected, Vulnerability
from phage.store.repositories.vulnerabilities import CveFilter
from phage.store.store import Store

router = APIRouter(prefix="/api/v1", tags=["cves"])

_READ = Depends(needs("devices:read"))


class CveRow(Row):
    """A known vulnerability."""

    cve: str
    exploited: str = Field(description="Since when it is known to be exploited; empty: it is not.")
    ransomware: bool
    due: str
    likelihood: float | None = Field(description="EPSS, 0 to 1.")
    percentile: float | None
    cvss: float | None
    cvss_version: str
    cvss_vector: str
    weaknesses: list[str]
    exploitation: str = Field(description="CISA's word on attacks: none, poc, active.")
    published: str
    description: str


class AffectedRow(CveRow):
    """A vulnerability of a device."""

    certain: bool = Field(description="Names and versions say so; else something is not known.")
    caveat: str = Field(description="Why it may not be so after all.")
    software: str = Field(description="CPE name of what has the fault.")
    evidence: str


class NetworkRow(AffectedRow):
    """A vulnerability with a device that has it."""

    device: str = Field(description="The device's id.")
    name: str = Field(description="The device's name to show.")


@router.get("/vulnerabilities", response_model=Page[NetworkRow], dependencies=[_READ])
def list_vulnerabilities(
    services: Served,
    memory: Remembered,
    product: Annotated[
        str, Query(max_length=200, description="Only of devices with it: dnsmasq < 2.78.")
    ] = "",
    exploited: Annotated[bool, Query(description="Only those in CISA's KEV.")] = False,
    certain: Annotated[bool, Query(description="Only what names and versions prove.")] = False,
    device: Annotated[str, Query(max_length=128, description="Only of this device.")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List the vulnerabilities of all devices, the most urgent first: KEV, EPSS, CVSS."""
    after = Keys((int,)).read(cursor)
    first = int(after[0]) if after else 0
    told = entries_of(services, memory, Wanted(product.strip(), exploited, certain), device).told
    rows = list(enumerate(told, start=1))[first : first + limit + 1]
    return page_of(rows, limit, lambda row: (row[0],), lambda row: _entry(*row[1]), fields)


@router.get("/cves", response_model=Page[CveRow], dependencies=[_READ])
def list_cves(
    services: Served,
    text: Annotated[str, Query(max_length=200, description="In id or description.")] = "",
    vendor: Annotated[str, Query(max_length=120)] = "",
    product: Annotated[str, Query(max_length=120)] = "",
    exploited: Annotated[bool, Query(description="Only those in CISA's KEV.")] = False,
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List known vulnerabilities, by id from the highest."""
    after = Keys((str,)).read(cursor)
    wanted = CveFilter(text, vendor, product, exploited, str(after[0]) if after else "")
    with services.reading() as store:
        found = store.vulnerabilities.list(wanted, limit + 1)
        shapes = _shapes(store, found)
    return page_of(found, limit, lambda each: (each.id,), lambda each: shapes[each.id], fields)


@router.get("/cves/{id}", response_model=CveRow, dependencies=[_READ])
def show_cve(
    services: Served,
    id: Annotated[str, Path(min_length=9, max_length=30, pattern="^[A-Za-z0-9-]+$")],
) -> Any:
    """Show a vulnerability."""
    with services.reading() as store:
        found = store.vulnerabilities.get(id)
        shapes = _shapes(store, [found] if found is not None else [])
    if found is None:
        message = f"nothing is known of {id!r}; `phage import cve` imports what is"
        raise ProblemError(404, message)
    return shapes[found.id]


@router.get("/devices/{id}/cves", response_model=Page[AffectedRow], dependencies=[_READ])
def list_cves_of_device(
    services: Served,
    id: Annotated[str, Path(min_length=1, max_length=128, description="Its stable name.")],
    limit: Limit = 100,
    cursor: Cursor = "",
    fields: Fields = "",
) -> Any:
    """List the vulnerabilities of a device, the most urgent first: KEV, EPSS, CVSS."""
    after = Keys((int,)).read(cursor)
    first = int(after[0]) if after else 0
    with services.reading() as store:
        device = store.devices.named([id, id.lower()]).get(id.lower())
        if device is None:
            message = f"there is no device {id!r}"
            raise ProblemError(404, message)
        found = Matcher(store.vulnerabilities).affected(software_of(device))
    rows = list(enumerate(found, start=1))[first : first + limit + 1]
    return page_of(rows, limit, lambda row: (row[0],), lambda row: affected_shape(row[1]), fields)


def _entry(device: Device, affected: Affected) -> dict[str, Any]:
    return {"device": device.id, "name": device.shown, **affected_shape(affected)}


def _shapes(store: Store, found: list[Vulnerability]) -> dict[str, dict[str, Any]]:
    ids = [each.id for each in found]
    kev, epss = store.vulnerabilities.exploited(ids), store.vulnerabilities.likelihoods(ids)
    return {each.id: cve_shape(each, kev.get(each.id), epss.get(each.id)) for each in found}
