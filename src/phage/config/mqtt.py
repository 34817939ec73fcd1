"""Settings of MQTT."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from phage.config.kinds import Duration
from phage.config.section import Section


class MqttSettings(Section):
    """How phage does, told to an MQTT broker; Home Assistant finds it there by itself."""

    url: str = Field(
        "", description="The broker: mqtt://HOST:1883, or mqtts://HOST:8883 over TLS; empty: none."
    )
    user: str = Field("", description="Name at the broker.")
    password: SecretStr = Field(
        SecretStr(""), description="Password at the broker; better in password_file."
    )
    password_file: Path | None = Field(None, description="File whose first line is the password.")
    ca_file: Path | None = Field(
        None, description="Certificates to trust instead of the system's, in PEM."
    )
    topic: str = Field(
        "phage",
        min_length=1,
        max_length=128,
        pattern=r"^[^#+/$][^#+]*$",
        description="Topic below which everything is told.",
    )
    discovery: str = Field(
        "homeassistant",
        max_length=128,
        pattern=r"^[^#+$]*$",
        description="Topic below which Home Assistant looks for devices; empty: it is not told.",
    )
    name: str = Field("", max_length=64, description="Name of this phage; empty: the host's.")
    every: Duration = Field(10.0, ge=1, le=3600, description="Time between two reports.")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not value.startswith(("mqtt://", "mqtts://")):
            message = "must begin with mqtt:// or mqtts://"
            raise ValueError(message)
        parts = urlsplit(value)
        if value and not (parts.hostname and parts.port != 0):  # Beyond 65535 is a ValueError.
            message = "must name a host, as mqtt://HOST:1883"
            raise ValueError(message)
        return value
