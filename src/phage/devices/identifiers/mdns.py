"""Services that a device announces by multicast DNS (RFC 6762, RFC 6763), and their TXT records."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, blurred, traits_of, word
from phage.devices.identifier import cleaned, texts
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

SERVICES = (
    Hint(r"^_(?:ipps?|printer|pdl-datastream|uscans?|scanner)\._tcp", 0.85, category="printer"),
    Hint(r"^_googlecast\._tcp", 0.6, vendor="Google"),
    Hint(r"^_androidtvremote", 0.85, category="tv", system="Android"),
    Hint(r"^_(?:airplay|raop)\._tcp", 0.3, vendor="Apple"),
    Hint(r"^_apple-mobdev2?\._tcp", 0.85, vendor="Apple", category="phone", system="iOS"),
    Hint(r"^_(?:sleep-proxy|companion-link|touch-able|homekit)\._", 0.7, vendor="Apple"),
    Hint(r"^_sonos\._tcp", 0.95, vendor="Sonos", category="speaker"),
    Hint(r"^_spotify-connect\._tcp", 0.5, category="speaker"),
    Hint(r"^_hue\._tcp", 0.95, vendor="Philips", product="Hue Bridge", category="hub"),
    Hint(r"^_(?:amzn-wplay|amzn-alexa)\._tcp", 0.85, vendor="Amazon"),
    Hint(r"^_axis-video\._tcp", 0.95, vendor="Axis", category="camera"),
    Hint(r"^_(?:rtsp|onvif|psia|camera)\._tcp", 0.75, category="camera"),
    Hint(r"^_esphomelib\._tcp", 0.9, system="ESPHome", category="microcontroller"),
    Hint(r"^_shelly\._tcp", 0.95, vendor="Shelly", category="switch"),
    Hint(r"^_ewelink\._tcp", 0.9, vendor="Sonoff", category="switch"),
    Hint(r"^_miio\._udp", 0.9, vendor="Xiaomi"),
    Hint(r"^_(?:xbox|nvstream|teamviewer)", 0.5, category="computer"),
    Hint(r"^_(?:adisk|afpovertcp|readynas|nfs)\._tcp", 0.5, category="nas"),
    Hint(r"^_(?:workstation|udisks-ssh)\._tcp", 0.6, category="computer", system="Linux"),
    Hint(r"^_(?:home-assistant)\._tcp", 0.9, product="Home Assistant", category="hub"),
    Hint(r"^_(?:octoprint)\._tcp", 0.9, product="OctoPrint", category="printer"),
    Hint(r"^_dcp\._tcp|^_dlink", 0.6, vendor="D-Link"),
    Hint(r"^_dcp\._tcp|^_mdns-lifx", 0.5, category="hub"),
    Hint(r"^_nanoleaf", 0.95, vendor="Nanoleaf", category="bulb"),
    Hint(r"^_elg\._tcp", 0.9, vendor="Elgato", category="bulb"),
    Hint(r"^_meshcop\._udp", 0.5, category="hub"),
    Hint(r"^_viziocast\._tcp", 0.95, vendor="Vizio", category="tv"),
    Hint(r"^_(?:bose|soundtouch)", 0.9, vendor="Bose", category="speaker"),
    Hint(r"^_plexmediasvr|^_jellyfin", 0.5, category="server"),
)  # fmt: skip

_MODELS = (
    Hint(r"^AppleTV", 0.95, vendor="Apple", product="Apple TV", category="tv", system="tvOS"),
    Hint(r"^(?:AudioAccessory)", 0.95, vendor="Apple", product="HomePod", category="speaker"),
    Hint(r"^iPhone", 0.95, vendor="Apple", product="iPhone", category="phone", system="iOS"),
    Hint(r"^iPad", 0.95, vendor="Apple", product="iPad", category="tablet", system="iPadOS"),
    Hint(r"^MacBook(Air|Pro)?", 0.95, vendor="Apple", product=r"MacBook \1", category="computer",
         system="macOS"),
    Hint(r"^(?:iMac|Macmini|MacPro|Mac\d)", 0.95, vendor="Apple", category="computer",
         system="macOS"),
    Hint(r"^AirPort", 0.95, vendor="Apple", product="AirPort", category="router"),
    Hint(r"^Watch", 0.95, vendor="Apple", product="Apple Watch", category="wearable"),
    Hint(r"^(Chromecast.*|Google Home.*|Nest .*)", 0.95, vendor="Google", product=r"\1"),
    Hint(r"^(BSB00\d|PHDL00)", 0.95, vendor="Philips", product="Hue Bridge", category="hub"),
    Hint(r"^(Xserve|RackMac|TimeCapsule)", 0.9, vendor="Apple", category="nas"),
)  # fmt: skip

_HOMEKIT = {
    "2": "hub", "4": "switch", "5": "bulb", "6": "lock", "7": "plug", "8": "switch",
    "9": "thermostat", "10": "sensor", "11": "alarm", "17": "camera", "18": "doorbell",
    "26": "speaker", "31": "tv", "33": "router",
}  # fmt: skip
"""Categories of accessories in HomeKit's `ci` field."""

_UNITS = frozenset({"id", "deviceid", "serialnumber", "sn", "mac", "uuid", "di", "bs", "uid", "pk"})
"""TXT keys whose value is one unit's own."""

_PAIR = re.compile(r"([\w#.-]{1,40})=(.*?)(?=\s[\w#.-]{1,40}=|$)")
"""The strings of a TXT record are told in a row: `c#=1 md=BSB002`."""

_PRODUCT_KEYS = ("md", "ty", "model", "usb_mdl", "product", "am", "modelname", "model_name")
_VENDOR_KEYS = ("usb_mfg", "manufacturer", "mf", "vendor", "brand")
_VERSION_KEYS = ("fv", "ve", "srcvers", "fw_version", "version", "swversion", "firmware")
_NAME_KEYS = ("fn", "name", "note")


Found = tuple[list[Trait], list[Mark], list[str]]


class MdnsIdentifier:
    """Reads announcements: services, instances, TXT records.

    Fails where a proxy (a bridge, a sleep proxy) announces for others.
    """

    name: ClassVar[str] = "mdns"
    summary: ClassVar[str] = "services announced by multicast DNS, and their TXT records"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "mdns": ("response", "services", "names", "answers")
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read what the sender has, or what it looks for."""
        said, at = observation.fields, observation.time
        services = [cleaned(each, 64) for each in texts(said.get("services"))]
        answers = texts(said.get("answers"))
        has = bool(said.get("response")) or bool(answers)
        traits: list[Trait] = []
        marks: list[Mark] = []
        words = [f"{'mdns' if has else 'mdns?'}:{blurred(service)}" for service in services]
        if has:
            for service in services:
                traits += traits_of(SERVICES, service, self.name, at, "offers")
            for name in texts(said.get("names")):
                if cleaned(name) and not name.endswith(".local"):
                    marks.append(Mark(MarkKind.INSTANCE, cleaned(name)))
                    words += word("instance", name, observation.src_mac)
            for answer in answers:
                self._read_text(answer, (traits, marks, words), observation)
        yield Reading(
            mac=observation.src_mac,
            ip=observation.src,
            traits=tuple(traits),
            marks=tuple(marks),
            words=tuple(dict.fromkeys(words)),
        )

    def _read_text(self, answer: str, found: Found, observation: Observation) -> None:
        """Read a TXT record: `TXT Some name._hap._tcp.local md=BSB002 ci=2`."""
        kind, _, rest = answer.partition(" ")
        if kind != "TXT" or ".local " not in rest:
            return
        owner, _, pairs = rest.partition(".local ")
        for key, value in _PAIR.findall(pairs):
            self._read_pair(owner, key.casefold(), cleaned(value), found, observation)

    def _read_pair(
        self, owner: str, key: str, value: str, found: Found, observation: Observation
    ) -> None:
        traits, marks, words = found
        at, mac = observation.time, observation.src_mac
        if not value:
            return
        if key in _UNITS:
            marks.append(Mark(MarkKind.UUID, value.casefold()))
            return
        words += word(f"txt-{cleaned(key, 20)}", value, mac)
        evidence = f"mDNS {cleaned(key, 20)}={value}"
        traits += traits_of(_MODELS, value, self.name, at, "mDNS model")
        if key == "ci" and owner.endswith("_hap._tcp") and value in _HOMEKIT:
            category = _HOMEKIT[value]
            traits.append(Trait(Attribute.CATEGORY, category, 0.9, self.name, evidence, at))
        for keys, attribute, weight in (
            (_PRODUCT_KEYS, Attribute.PRODUCT, 0.85),
            (_VENDOR_KEYS, Attribute.VENDOR, 0.85),
            (_VERSION_KEYS, Attribute.VERSION, 0.8),
            (_NAME_KEYS, Attribute.NAME, 0.85),
        ):
            if key in keys:
                traits.append(Trait(attribute, value.strip("()"), weight, self.name, evidence, at))
