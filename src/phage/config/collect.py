"""Settings of collectors of logs and of other engines' alerts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from phage.config.kinds import Listen, Network, Size
from phage.config.section import Section


class LogSettings(Section):
    """One log to read."""

    path: str = Field(description="A file, files by * and ?, `journal`, or `-` for standard input.")
    service: str = Field(
        "",
        description="Whose own log it is, for example nginx; empty for what syslog writes, where "
        "each line says it.",
    )
    pattern: str = Field(
        "",
        description="What a line looks like that is not known, for example "
        '"login of (?P<user>.*) refused from <address>".',
    )
    kind: Literal["auth_failed", "user_unknown", "auth_ok", "http_error", "http_probe", "abuse"] = (
        Field("auth_failed", description="What a line of this pattern tells.")
    )


class EveInputSettings(Section):
    """Alerts of Suricata and others."""

    paths: tuple[str, ...] = Field(
        (), description="Files in the shape of eve.json, or the path of a Unix socket."
    )
    transport: Literal["file", "stream", "datagram"] = Field(
        "file",
        description="Followed as a file, or received at a Unix socket (Suricata's unix_stream or "
        "unix_dgram).",
    )


class ExporterSettings(Section):
    """What is set by hand for an exporter of flows, or a network of them."""

    address: Network = Field(description="Its address, or a network of exporters.")
    name: str = Field("", max_length=64, description="What people call it.")
    sampling: int = Field(
        0, ge=0, le=2**24, description="It looks at one packet in so many; 0: as it tells."
    )
    force: bool = Field(
        default=False, description="Use this rate even where the exporter tells another one."
    )
    take: Literal["all", "ingress", "egress", "none"] = Field(
        "all",
        description="Records that are taken: all, of what comes in, of what goes out, none.",
    )
    interfaces: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (),
        max_length=10_000,
        description="Interfaces (SNMP index) at whose side records are taken, for example those to "
        "the Internet; empty: all.",
    )


class FlowInputSettings(Section):
    """Flow exports of routers, switches and probes."""

    netflow: tuple[Listen, ...] = Field(
        (),
        max_length=16,
        description="UDP addresses to take NetFlow and IPFIX at, for example 0.0.0.0:2055 or "
        "[::]:4739.",
    )
    sflow: tuple[Listen, ...] = Field(
        (), max_length=16, description="UDP addresses to take sFlow at, for example 0.0.0.0:6343."
    )
    ipfix_tcp: tuple[Listen, ...] = Field(
        (), max_length=16, description="TCP addresses to take IPFIX at, for example 0.0.0.0:4739."
    )
    threads: int = Field(
        1, ge=1, le=64, description="Threads that share the addresses; an exporter stays at one."
    )
    receive_buffer: Size = Field(
        64 * 2**20,
        ge=2**16,
        le=2**30,
        description="Buffer of each socket; as root beyond the system's limit (net.core.rmem_max).",
    )
    allow: tuple[Network, ...] = Field(
        (), max_length=10_000, description="Exporters that may send; empty: all."
    )
    exporters: tuple[ExporterSettings, ...] = Field(
        (), max_length=10_000, description="Names and rates of sampling; the longest prefix counts."
    )
    find_duplicates: bool = Field(
        default=True,
        description="Count a flow once that several exporters tell of, or one both as it comes in "
        "and as it goes out. Not with sampling: set `take` and `interfaces` of exporters there.",
    )
    compared_flows: int = Field(
        131_072,
        ge=1024,
        le=2**28,
        description="Flows remembered to find those, by all threads together, 32 octets each; "
        "more where `exports.duplicates_crowded` grows.",
    )
    correct_clocks: bool = Field(
        default=True,
        description="Shift the times of exporters whose clock differs by more than five seconds.",
    )
    domains: int = Field(
        16_384, ge=16, le=2**20, description="Observation domains remembered, of all exporters."
    )
    template_fields: int = Field(
        1_000_000, ge=1024, le=2**26, description="Fields of all templates remembered."
    )

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to listen at."""
        return bool(self.netflow or self.sflow or self.ipfix_tcp)


class CollectSettings(Section):
    """What is read besides packets."""

    logs: tuple[LogSettings, ...] = Field((), description="Logs of services.")
    eve: EveInputSettings = Field(
        EveInputSettings(), description="Alerts of Suricata and others that write eve.json."
    )
    flows: FlowInputSettings = Field(
        FlowInputSettings(), description="Flow exports: NetFlow, IPFIX, sFlow."
    )
