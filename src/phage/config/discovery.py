"""Settings of active discovery."""

from __future__ import annotations

from pydantic import Field

from phage.config.kinds import Duration, Network
from phage.config.section import Section


class DiscoverySettings(Section):
    """Active scans of our own networks; they are gentle, and off unless asked for."""

    enabled: bool = Field(default=False, description="Scan by schedule.")
    every: Duration = Field(
        3600.0, ge=60, le=30 * 86_400, description="Time from one scan by schedule to the next."
    )
    targets: tuple[Network, ...] = Field(
        (),
        max_length=64,
        description="Networks to scan by schedule; empty: those of this machine's interfaces that "
        "are at home.",
    )
    ports: str = Field(
        "top100",
        max_length=1000,
        description='TCP ports to ask: top100, all, none, or "22,80,8000-8100".',
    )
    community: str = Field(
        "public",
        max_length=64,
        description="SNMP community by which devices are asked who they are; empty asks none.",
    )
