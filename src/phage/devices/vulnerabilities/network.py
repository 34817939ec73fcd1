"""The vulnerabilities of a whole network: of each device, the most urgent first."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.blocklist import devices_with, parse_product
from phage.devices.vulnerabilities.matching import Matcher, urgency
from phage.devices.vulnerabilities.software import software_of
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.devices.vulnerabilities.matching import Catalog
    from phage.records.device import Device
    from phage.records.vulnerability import Affected

MAX_TOLD = 10_000
"""Entries that are told of a network; all are counted."""


@frozen
class Wanted:
    """Which entries are wanted.

    Attributes:
        product: Only of devices with a product: "dnsmasq < 2.78"; '' for all.
        exploited: Only those that are known to be exploited.
        certain: Only those that names and versions prove.
    """

    product: str = ""
    exploited: bool = False
    certain: bool = False


@frozen
class Entries:
    """Entries of a network: how many there are, and the most urgent of them."""

    total: int
    told: Sequence[tuple[Device, Affected]]


def affected_devices(catalog: Catalog, devices: Sequence[Device], wanted: Wanted) -> Entries:
    """Return the vulnerabilities of devices. Raises ProductError."""
    if wanted.product:
        devices = devices_with(parse_product(wanted.product), devices)
    total = 0

    def entries() -> Iterator[tuple[Device, Affected]]:
        nonlocal total
        matcher = Matcher(catalog)
        for device in devices:
            for affected in matcher.affected(software_of(device)):
                if (affected.exploited or not wanted.exploited) and (
                    affected.certain or not wanted.certain
                ):
                    total += 1
                    yield device, affected

    told = nsmallest(MAX_TOLD, entries(), key=lambda pair: urgency(pair[1]))
    return Entries(total, told)
