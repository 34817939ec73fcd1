"""Settings of volumes: how much traffic is too much, and for whom."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from phage.config.kinds import Network, Size
from phage.config.section import Section
from phage.records.threshold import MEASURES, Threshold
from phage.records.watched import GROUP, MOST_SERVICES, HostGroup, Watched, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

_PORT = r"(?:0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
SERVICE = rf"^(?:(?:tcp|udp)/{_PORT}(?:-{_PORT})?)?$"
"""A service, or nothing: tcp/80, udp/1000-2000."""

Vector = Literal[
    "any", "tcp", "syn", "syn-ack", "rst", "udp", "reply", "query", "icmp", "fragment", "other"
]


class ThresholdSettings(Section):
    """How much is too much; at least one of packets, bits and flows."""

    vector: Vector = Field(
        "any",
        description="Which packets: all, or one kind; `reply` is UDP from ports of services that "
        "amplify (DNS, NTP, ...), `query` UDP to these.",
    )
    direction: Literal["in", "out", "both"] = Field(
        "both", description="What is received, what is sent, or each of them."
    )
    per: Literal["host", "/28", "/24", "/20", "/16", "/64", "/56", "/48", "group"] = Field(
        "host",
        description="What is measured: each host, each prefix of a length, or all hosts of the "
        "group together.",
    )
    service: str = Field(
        "",
        pattern=SERVICE,
        description="Only packets to a service count, for example tcp/80 or udp/1000-2000: what a "
        "host is sent there, or sends to others there.",
    )
    packets: float | None = Field(None, gt=0, le=1e12, description="Packets a second.")
    bits: Size | None = Field(None, ge=1, description="Bits a second, for example 500M or 1G.")
    flows: float | None = Field(None, gt=0, le=1e12, description="Flows a second.")
    seconds: Literal[1, 5] = Field(1, description="Seconds that the mean is taken over.")
    strict: bool = Field(
        default=False,
        description="Report also what looks harmless: transfers, and traffic that is answered.",
    )

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if self.packets is None and self.bits is None and self.flows is None:
            message = "set packets, bits or flows"
            raise ValueError(message)
        if self.service and self.per != "host":
            message = "a service is counted per host"
            raise ValueError(message)
        return self


class ThresholdGroupSettings(Section):
    """Networks with thresholds of their own, which hold there instead of the general ones."""

    name: str = Field(description="Name of the group, for reports.", min_length=1, max_length=64)
    networks: Annotated[tuple[Network, ...], Field(min_length=1, max_length=10_000)] = Field(
        description="Whom it is about."
    )
    thresholds: tuple[ThresholdSettings, ...] = Field(
        (), max_length=64, description="How much is too much for them."
    )


class VolumeSettings(Section):
    """How much traffic is too much, besides what is learned."""

    thresholds: tuple[ThresholdSettings, ...] = Field(
        (),
        max_length=64,
        description="For every host that is in no group; empty: 20,000 packets/s and 1 Gbit/s.",
    )
    groups: tuple[ThresholdGroupSettings, ...] = Field(
        (), max_length=256, description="Networks with thresholds of their own."
    )
    services: tuple[Annotated[str, Field(pattern=SERVICE)], ...] = Field(
        (),
        max_length=MOST_SERVICES,
        description="Services of hosts whose volumes are learned by themselves, for example "
        "tcp/443; those of thresholds are so anyhow.",
    )
    spare: tuple[Network, ...] = Field(
        (), max_length=10_000, description="Networks whose volumes are never judged."
    )

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        if any(each.per == "group" for each in self.thresholds):
            message = "thresholds per group belong to a group"
            raise ValueError(message)
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names):
            message = "two groups have the same name"
            raise ValueError(message)
        self.watched()
        return self

    def watched(self) -> Watched:
        """Return what is counted besides hosts and prefixes."""
        every = (*self.thresholds, *(each for group in self.groups for each in group.thresholds))
        services = {*self.services, *(each.service for each in every if each.service)}
        groups = tuple(HostGroup(each.name, tuple(map(str, each.networks))) for each in self.groups)
        return Watched(numbered(services), groups)

    def records(self) -> tuple[Threshold, ...]:
        """Return all thresholds as records."""
        found = [record for each in self.thresholds for record in _records(each)]
        for group in self.groups:
            networks = tuple(map(str, group.networks))
            found += [
                record
                for each in group.thresholds
                for record in _records(each, group.name, networks)
            ]
        return tuple(found)

    def spared(self) -> tuple[tuple[bytes, int], ...]:
        """Return the networks that are never judged, in 16 octets (IPv4 mapped) and a length."""
        return tuple(mapped_networks(tuple(map(str, self.spare))))


_LENGTHS = {
    "host": 128,
    "group": GROUP,
    "/28": 124,
    "/24": 120,
    "/20": 116,
    "/16": 112,
    "/64": 64,
    "/56": 56,
    "/48": 48,
}


def _records(
    settings: ThresholdSettings, group: str = "default", networks: tuple[str, ...] = ()
) -> Iterator[Threshold]:
    values = (settings.packets, settings.bits, settings.flows)
    ways = {"in": (True,), "out": (False,), "both": (True, False)}[settings.direction]
    for measure, value in zip(MEASURES, values, strict=True):
        for incoming in ways if value is not None else ():
            yield Threshold(
                value=float(value or 0),
                measure=measure,
                vector=settings.vector,
                incoming=incoming,
                group=group,
                networks=networks,
                length=_LENGTHS[settings.per],
                seconds=settings.seconds,
                strict=settings.strict,
                service=settings.service,
            )


def mapped_networks(networks: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    """Yield networks as 16 octets, IPv4 mapped, with the length of their prefix there."""
    for text in networks:
        network = ipaddress.ip_network(text, strict=False)
        packed = network.network_address.packed
        if network.version == 4:
            yield bytes(10) + b"\xff\xff" + packed, network.prefixlen + 96
        else:
            yield packed, network.prefixlen
