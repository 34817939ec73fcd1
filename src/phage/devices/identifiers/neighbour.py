"""Which address answers at which MAC: ARP, neighbour discovery, the kernel's table, sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.records.device import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation


class NeighbourIdentifier:
    """Binds addresses to MAC addresses; what it is told can be forged by any neighbour."""

    name: ClassVar[str] = "neighbour"
    summary: ClassVar[str] = (
        "which address answers at which MAC: ARP, neighbour discovery, the kernel's table"
    )
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "arp": ("sender_mac", "sender_ip", "probe", "mismatch"),
        "nd": ("kind", "target", "mac"),
        "neighbour": ("source",),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read who has which address."""
        said = observation.fields
        mac, ip = observation.src_mac, observation.src
        if observation.kind == "arp":
            if said.get("probe") or said.get("mismatch"):  # Nobody's yet, or told of another.
                return
            mac, ip = str(said.get("sender_mac", "")), str(said.get("sender_ip", ""))
        elif observation.kind == "nd":
            if said.get("kind") == "advertisement":
                ip = str(said.get("target", ""))
                mac = str(said.get("mac", "")) or mac
            elif not ip:  # A probe for a double (RFC 4862, section 5.4).
                return
        if mac:
            yield Reading(mac=mac, ip=ip, bound=True)
