"""Banners: what services say of themselves, seen on the way or asked for by a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.banners import BANNERS, SOFTWARE
from phage.devices.hints import traits_of, word
from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation


class BannerIdentifier:
    """Reads servers' words: SSH, HTTP, FTP, telnet, SNMP and others."""

    name: ClassVar[str] = "banner"
    summary: ClassVar[str] = "what services say of themselves: SSH, HTTP, FTP, telnet, SNMP"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "banner": ("service", "port", "text"),
        "snmp": ("description", "object_id", "name"),
        "ssh": ("server", "software", "comments"),
        "http": ("status", "server"),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a banner."""
        service, text = _banner(observation)
        if not text:
            return
        at = observation.time
        what = f"{service} banner"
        traits = (
            *traits_of(BANNERS, text, self.name, at, what),
            *traits_of(SOFTWARE, text, self.name, at, what, every=True),
        )
        if name := cleaned(observation.fields.get("name")):
            traits += (Trait(Attribute.NAME, name, 0.85, self.name, "its SNMP name", at),)
        yield Reading(
            observation.src_mac,
            observation.src,
            traits,
            words=word(f"banner-{service}", text, observation.src_mac),
        )


def _banner(observation: Observation) -> tuple[str, str]:
    said = observation.fields
    if observation.kind == "banner":
        return cleaned(said.get("service"), 16), cleaned(said.get("text"), 500)
    if observation.kind == "snmp":
        return "snmp", cleaned(said.get("description"), 500)
    if observation.kind == "ssh" and said.get("server"):
        comments = cleaned(said.get("comments"))
        return "ssh", f"SSH-2.0-{cleaned(said.get('software'))} {comments}".strip()
    if observation.kind == "http" and "status" in said:
        server = cleaned(said.get("server"))
        return "http", f"Server: {server}" if server else ""
    return "", ""
