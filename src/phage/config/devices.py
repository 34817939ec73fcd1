"""Settings of devices: how they are followed and learned."""

from __future__ import annotations

from pydantic import Field

from phage.config.kinds import Duration
from phage.config.section import Section


class DeviceSettings(Section):
    """How devices are followed and learned."""

    learn: Duration = Field(
        3 * 86_400.0,
        ge=60,
        le=90 * 86_400,
        description="How long a device is observed at least before what is new for it is told; it "
        "goes on until hardly anything is new.",
    )
    leases: tuple[str, ...] = Field(
        (
            "/var/lib/misc/dnsmasq.leases",
            "/tmp/dhcp.leases",  # noqa: S108  OpenWrt's place; only read.
            "/var/lib/dhcp/dhcpd.leases",
            "/var/lib/kea/kea-leases4.csv",
        ),
        description="Files of leases of a DHCP server on this machine; those that are not there "
        "are passed over.",
    )
    neighbours: bool = Field(
        default=True, description="Look at the kernel's table of neighbours now and then."
    )
