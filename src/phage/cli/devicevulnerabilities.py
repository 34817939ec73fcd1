"""Vulnerabilities of devices, as they are printed: `phage devices vulnerabilities` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.api.scanshapes import affected_shape
from phage.cli.output import Column, emit, output_option
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.records.device import Device
    from phage.records.vulnerability import Affected
    from phage.store.store import Store

SHOWN = 10
"""Vulnerabilities that `phage devices show` tells; the others are counted."""

COLUMNS = (
    Column("device", "device"),
    Column("cve", "cve"),
    Column("exploited", "exploited"),
    Column("epss", "likelihood", right=True),
    Column("cvss", "cvss", right=True),
    Column("certain", "certain"),
    Column("software", "software"),
    Column("description", "description", wrap=True),
)


@click.command()
@click.argument("device", default="")
@click.option("--exploited", is_flag=True, help="Only those that are known to be exploited (KEV).")
@click.option("--certain", is_flag=True, help="Only those that names and versions prove.")
@click.option("--product", default="", help="Only of devices with a product: 'dnsmasq < 2.78'.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def vulnerabilities(
    chosen: Chosen,
    remote: Client | None,
    device: str,
    product: str,
    limit: int,
    form: str,
    *,
    exploited: bool,
    certain: bool,
) -> None:
    """List known vulnerabilities of DEVICE, else of all, the most urgent first.

    Known to be exploited (CISA KEV) before likely to be (EPSS) before severe (CVSS). `phage import
    cve` gets what is known. A version that looks vulnerable may have been mended by a distribution.
    """
    from phage.devices.proposal import find
    from phage.devices.vulnerabilities.network import Wanted, affected_devices

    if remote is not None:
        rows = _there(remote, device, limit, product=product, exploited=exploited, certain=certain)
        emit(form, rows, COLUMNS, empty="no known vulnerabilities")
        return
    with chosen.reader() as store:
        known = store.devices.list(100_000)
        devices = [find(known, device)] if device else known
        wanted = Wanted(product, exploited, certain)
        told = affected_devices(store.vulnerabilities, devices, wanted).told
        records = [
            {"device": each.shown, "id": each.id, **affected_shape(affected)}
            for each, affected in told[:limit]
        ]
    emit(form, records, COLUMNS, empty="no known vulnerabilities")


def _there(remote: Client, device: str, limit: int, **wanted: object) -> list[dict[str, Any]]:
    """Return what a phage elsewhere knows."""
    from phage.cli.deviceremote import RemoteDevices

    id_ = RemoteDevices(remote).find(device) if device else ""
    told = remote.listed("/api/v1/vulnerabilities", limit, device=id_, **wanted)
    return [{**row, "device": row["name"], "id": row["device"]} for row in told]


def affected_by(store: Store, device: Device) -> list[Affected]:
    """Return the vulnerabilities of one device, the most urgent first."""
    from phage.devices.vulnerabilities.matching import Matcher
    from phage.devices.vulnerabilities.software import software_of

    return Matcher(store.vulnerabilities).affected(software_of(device))


def explain_affected(found: Sequence[Affected]) -> Iterator[str]:
    """Yield the lines that tell a person of the vulnerabilities of a device."""
    if not found:
        return
    yield ""
    yield f"vulnerabilities ({len(found):,})"
    for each in found[:SHOWN]:
        record = each.vulnerability
        marks = [
            f"exploited since {each.exploited.added}" if each.exploited is not None else "",
            f"EPSS {each.likelihood.score:.1%}" if each.likelihood is not None else "",
            f"CVSS {record.cvss:g}" if record.cvss is not None else "",
            "" if each.certain else "perhaps",
        ]
        yield f"  {record.id}  {', '.join(filter(None, marks))}  {each.software.cpe}"
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN:,} more: `phage devices vulnerabilities`"
    for caveat in dict.fromkeys(each.caveat for each in found if each.caveat):
        yield f"  {caveat}"
