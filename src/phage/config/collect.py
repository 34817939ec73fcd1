"""Settings of collectors of logs and of other engines' alerts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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


class CollectSettings(Section):
    """What is read besides packets."""

    logs: tuple[LogSettings, ...] = Field((), description="Logs of services.")
    eve: EveInputSettings = Field(
        EveInputSettings(), description="Alerts of Suricata and others that write eve.json."
    )
