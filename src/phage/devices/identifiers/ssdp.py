"""UPnP: what a device announces by SSDP, and the description that it serves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

TYPES = (
    Hint(r"InternetGatewayDevice|WANDevice", 0.85, category="router"),
    Hint(r"WLANAccessPoint", 0.85, category="access point"),
    Hint(r"roku:ecp", 0.95, vendor="Roku", category="tv"),
    Hint(r"dial-multiscreen", 0.6, category="tv"),
    Hint(r"schemas-sonos|ZonePlayer", 0.95, vendor="Sonos", category="speaker"),
    Hint(r"Belkin:device:(?:insight)", 0.95, vendor="Belkin", product="WeMo Insight",
         category="plug"),
    Hint(r"Belkin:device:(?:controllee)", 0.95, vendor="Belkin", product="WeMo Switch",
         category="plug"),
    Hint(r"Belkin:device:bridge", 0.95, vendor="Belkin", product="WeMo Link", category="hub"),
    Hint(r"Belkin:", 0.9, vendor="Belkin"),
    Hint(r"device:Printer", 0.9, category="printer"),
    Hint(r"DigitalSecurityCamera", 0.9, category="camera"),
    Hint(r"MediaServer", 0.4, category="nas"),
    Hint(r"MediaRenderer", 0.4, category="tv"),
    Hint(r"samsung\.com", 0.8, vendor="Samsung"),
    Hint(r"lge-com|schemas-lg", 0.85, vendor="LG", category="tv"),
    Hint(r"schemas-wifialliance-org:device:WFADevice", 0.2, category="router"),
)  # fmt: skip

SERVERS = (
    Hint(r"IpBridge/", 0.95, vendor="Philips", product="Hue Bridge", category="hub"),
    Hint(r"Sonos/", 0.95, vendor="Sonos", category="speaker"),
    Hint(r"Roku", 0.9, vendor="Roku", category="tv"),
    Hint(r"SEC_HHP|Samsung", 0.8, vendor="Samsung"),
    Hint(r"WebOS", 0.8, vendor="LG", category="tv", system="webOS"),
    Hint(r"Synology", 0.9, vendor="Synology", category="nas"),
    Hint(r"FRITZ!Box", 0.95, vendor="AVM", product="FRITZ!Box", category="router"),
    Hint(r"MiniUPnPd/([\d.]+)", 0.5, category="router",
         software=r"cpe:2.3:a:miniupnp_project:miniupnpd:\1:*:*:*:*:*:*:*"),
    Hint(r"Microsoft-Windows/([\d.]+)", 0.8, category="computer", system="Windows"),
    Hint(r"Xbox", 0.9, vendor="Microsoft", product="Xbox", category="console"),
    Hint(r"Chromecast|Google", 0.5, vendor="Google"),
    Hint(r"Android/", 0.5, system="Android"),
    Hint(r"Linux[/ ]", 0.5, system="Linux"),
    Hint(r"Darwin/", 0.7, system="macOS"),
)  # fmt: skip

_UUID = re.compile(r"uuid:([0-9A-Za-z._-]{8,64})")

_DESCRIPTION = (
    ("manufacturer", Attribute.VENDOR, 0.9),
    ("model_name", Attribute.PRODUCT, 0.9),
    ("friendly_name", Attribute.NAME, 0.85),
    ("model_number", Attribute.VERSION, 0.5),
    ("serial", Attribute.SERIAL, 0.9),
)


class SsdpIdentifier:
    """Reads announcements, answers, searches, and descriptions."""

    name: ClassVar[str] = "ssdp"
    summary: ClassVar[str] = "UPnP: announcements by SSDP, and descriptions"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "ssdp": ("method", "nt", "st", "usn", "server", "user_agent"),
        "upnp": ("friendly_name", "manufacturer", "model_name", "model_number", "serial", "udn",
                 "type"),
    }  # fmt: skip

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a message or a description."""
        read = self._message if observation.kind == "ssdp" else self._description
        traits, marks, words = read(observation)
        yield Reading(
            observation.src_mac, observation.src, tuple(traits), tuple(marks), tuple(words)
        )

    def _message(self, observation: Observation) -> tuple[list[Trait], list[Mark], list[str]]:
        said, at, mac = observation.fields, observation.time, observation.src_mac
        target = cleaned(said.get("nt") or said.get("st"))
        program = cleaned(said.get("server") or said.get("user_agent"))
        if said.get("method") == "M-SEARCH":
            words = [*word("ssdp?", target, mac), *word("ssdp-agent", program, mac)]
            return [], [], words
        traits = [
            *traits_of(TYPES, target, self.name, at, "announces"),
            *traits_of(SERVERS, program, self.name, at, "UPnP server"),
        ]
        match = _UUID.search(cleaned(said.get("usn")))
        marks = [Mark(MarkKind.UUID, match[1].casefold())] if match else []
        return traits, marks, [*word("ssdp", target, mac), *word("ssdp-server", program, mac)]

    def _description(self, observation: Observation) -> tuple[list[Trait], list[Mark], list[str]]:
        said, at = observation.fields, observation.time
        traits: list[Trait] = []
        words: list[str] = []
        for name, attribute, weight in _DESCRIPTION:
            if value := cleaned(said.get(name)):
                evidence = f"UPnP {name.replace('_', ' ')} {value!r}"
                traits.append(Trait(attribute, value, weight, self.name, evidence, at))
                words += word(f"upnp-{name}", value, observation.src_mac)
        traits += traits_of(TYPES, cleaned(said.get("type")), self.name, at, "UPnP type")
        marks = []
        if serial := cleaned(said.get("serial")):
            marks.append(Mark(MarkKind.SERIAL, serial))
        if udn := cleaned(said.get("udn")).removeprefix("uuid:").casefold():
            marks.append(Mark(MarkKind.UUID, udn))
        return traits, marks, words
