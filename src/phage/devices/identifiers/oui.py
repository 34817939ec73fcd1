"""Who a MAC address was assigned to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.identity import is_made_up
from phage.devices.vendors import makes_parts, shown
from phage.records.device import Attribute, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation


class OuiIdentifier:
    """Tells the vendor by the first 24, 28 or 36 bits of a MAC address, the longest that is known.

    Fails where the address was made up, and says little where a module's maker built the radio.
    """

    name: ClassVar[str] = "oui"
    summary: ClassVar[str] = (
        "who a MAC address was assigned to (IEEE registries, `phage import oui`)"
    )
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"address": ()}

    maker: float = 0.9
    """Weight of a maker's own address."""
    module: float = 0.3
    """Weight of an address of a maker of modules."""

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:
        """Read the source's MAC address."""
        mac = observation.src_mac
        if not mac or is_made_up(mac):
            return
        vendor = reference.vendor_of(mac)
        if not vendor:
            return
        weight = self.module if makes_parts(vendor) else self.maker
        evidence = f"{mac} is of {vendor}"
        trait = Trait(Attribute.VENDOR, shown(vendor), weight, self.name, evidence)
        yield Reading(mac=mac, traits=(trait,), alive=False)
