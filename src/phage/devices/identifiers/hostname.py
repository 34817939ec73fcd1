"""What devices call themselves: host names in DHCP, mDNS, NBNS, and DHCP servers' files."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned, texts
from phage.devices.names import bare, is_common
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

NAMES = (
    Hint(r"iphone", 0.9, vendor="Apple", product="iPhone", category="phone", system="iOS"),
    Hint(r"ipad", 0.9, vendor="Apple", product="iPad", category="tablet", system="iPadOS"),
    Hint(r"apple-?watch", 0.9, vendor="Apple", product="Apple Watch", category="wearable",
         system="watchOS"),
    Hint(r"apple-?tv", 0.9, vendor="Apple", product="Apple TV", category="tv", system="tvOS"),
    Hint(r"homepod", 0.9, vendor="Apple", product="HomePod", category="speaker"),
    Hint(r"macbook", 0.9, vendor="Apple", product="MacBook", category="computer", system="macOS"),
    Hint(r"imac|mac-?mini|mac-?pro", 0.85, vendor="Apple", category="computer", system="macOS"),
    Hint(r"^android-[0-9a-f]{6,}", 0.8, category="phone", system="Android"),
    Hint(r"^(?:galaxy|sm-[agsnf]\d)", 0.85, vendor="Samsung", category="phone", system="Android"),
    Hint(r"^pixel-", 0.8, vendor="Google", category="phone", system="Android"),
    Hint(r"^(?:redmi|mi-?\d|poco|xiaomi)", 0.75, vendor="Xiaomi", category="phone",
         system="Android"),
    Hint(r"^oneplus", 0.85, vendor="OnePlus", category="phone", system="Android"),
    Hint(r"^huawei", 0.7, vendor="Huawei", category="phone"),
    Hint(r"^(?:desktop|laptop|win)-[0-9a-z]{7,}$", 0.9, category="computer", system="Windows"),
    Hint(r"philips-?hue", 0.95, vendor="Philips", product="Hue Bridge", category="hub"),
    Hint(r"^wemo", 0.85, vendor="Belkin", product="WeMo", category="plug"),
    Hint(r"^(hs1\d\d|kp1\d\d|ep\d\d|p1\d\d)\b", 0.9, vendor="TP-Link", product=r"\1",
         category="plug"),
    Hint(r"^(lb1\d\d|kl\d{2,3}|l5\d\d)\b", 0.9, vendor="TP-Link", product=r"\1",
         category="bulb"),
    Hint(r"^(dcs-\d{3,4}\w*)", 0.95, vendor="D-Link", product=r"\1", category="camera"),
    Hint(r"^(dsp-w\d+)", 0.95, vendor="D-Link", product=r"\1", category="plug"),
    Hint(r"^(dch-[gs]\d+)", 0.95, vendor="D-Link", product=r"\1", category="hub"),
    Hint(r"^edimax|^(sp-\d{4}w)", 0.8, vendor="Edimax"),
    Hint(r"^(?:homematic|ccu\d?)", 0.85, vendor="eQ-3", product="HomeMatic", category="hub"),
    Hint(r"ednet", 0.8, vendor="ednet"),
    Hint(r"^(?:aria|fitbit)", 0.7, vendor="Fitbit"),
    Hint(r"ikettle|^smarter", 0.8, vendor="Smarter", category="kettle"),
    Hint(r"^echo-|amazon-", 0.75, vendor="Amazon", category="speaker"),
    Hint(r"^(?:google-home|nest-(?:mini|audio|hub))", 0.9, vendor="Google", category="speaker"),
    Hint(r"chromecast", 0.9, vendor="Google", product="Chromecast", category="tv"),
    Hint(r"^nest-|thermostat", 0.6, category="thermostat"),
    Hint(r"^ring-|doorbell", 0.7, category="doorbell"),
    Hint(r"^roku", 0.85, vendor="Roku", category="tv"),
    Hint(r"^sonos", 0.95, vendor="Sonos", category="speaker"),
    Hint(r"bravia", 0.9, vendor="Sony", category="tv"),
    Hint(r"lgwebostv|lgsmarttv", 0.95, vendor="LG", category="tv", system="webOS"),
    Hint(r"samsung-?tv|^tizen", 0.9, vendor="Samsung", category="tv", system="Tizen"),
    Hint(r"(?:^|[-_ ])tv(?:$|[-_ ])", 0.6, category="tv"),
    Hint(r"xbox", 0.9, vendor="Microsoft", product="Xbox", category="console"),
    Hint(r"playstation|^ps[45]-", 0.9, vendor="Sony", product="PlayStation", category="console"),
    Hint(r"nintendo|^switch-", 0.6, vendor="Nintendo", category="console"),
    Hint(r"^(shelly\w+?)-", 0.95, vendor="Shelly", product=r"\1", category="switch"),
    Hint(r"^tasmota", 0.85, system="Tasmota", category="switch"),
    Hint(r"^esp(?:home|ressif|[-_]?[0-9a-f]{6})", 0.7, category="microcontroller"),
    Hint(r"^wlan0$|^lwip0?$", 0.3, category="microcontroller"),
    Hint(r"sonoff", 0.9, vendor="Sonoff", category="switch"),
    Hint(r"tuya", 0.7, vendor="Tuya"),
    Hint(r"^yeelink|^yeelight", 0.9, vendor="Xiaomi", category="bulb"),
    Hint(r"^lifx", 0.9, vendor="LIFX", category="bulb"),
    Hint(r"roborock|^rockrobo|roomba|^irobot|deebot", 0.9, category="robot"),
    Hint(r"netatmo", 0.9, vendor="Netatmo", category="sensor"),
    Hint(r"withings", 0.9, vendor="Withings"),
    Hint(r"^(?:diskstation|synology|ds\d{3,4})", 0.85, vendor="Synology", category="nas"),
    Hint(r"^(?:nas[0-9a-f]{6}|qnap)", 0.85, vendor="QNAP", category="nas"),
    Hint(r"(?:^|[-_])nas(?:$|[-_])", 0.7, category="nas"),
    Hint(r"^raspberrypi|^octopi|^retropie|^libreelec", 0.85, vendor="Raspberry Pi",
         category="computer", system="Linux"),
    Hint(r"^homeassistant", 0.85, product="Home Assistant", category="hub", system="Linux"),
    Hint(r"^(?:hp|npi)[0-9a-f]{6}", 0.85, vendor="HP", category="printer"),
    Hint(r"^epson[0-9a-f]{6}", 0.9, vendor="Epson", category="printer"),
    Hint(r"^br[nw][0-9a-f]{12}", 0.95, vendor="Brother", category="printer"),
    Hint(r"^canon[0-9a-f]{6}", 0.9, vendor="Canon", category="printer"),
    Hint(r"printer", 0.6, category="printer"),
    Hint(r"ipc(?:am)?\b|camera|^cam[-_\d]", 0.6, category="camera"),
    Hint(r"kindle", 0.9, vendor="Amazon", product="Kindle", category="reader"),
    Hint(r"fritz[.-]?box", 0.95, vendor="AVM", product="FRITZ!Box", category="router"),
    Hint(r"openwrt|dd-wrt|^router|^gateway", 0.7, category="router"),
    Hint(r"-pc$|^pc-|laptop|desktop", 0.6, category="computer"),
    Hint(r"ubuntu|debian|fedora|archlinux", 0.6, category="computer", system="Linux"),
)  # fmt: skip


class HostnameIdentifier:
    """Reads host names. Anybody can call himself anything: no name is ever proof."""

    name: ClassVar[str] = "hostname"
    summary: ClassVar[str] = "host names in DHCP, mDNS, NBNS and files of leases"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "dhcp": ("message_type", "client_mac", "hostname", "fqdn"),
        "dhcpv6": ("message_type", "fqdn"),
        "mdns": ("names",),
        "nbns": ("operation", "response", "name", "suffix", "group", "names"),
        "lease": ("hostname", "client_id"),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read the names that a message gives its sender."""
        said = observation.fields
        mac = observation.src_mac
        if observation.kind == "dhcp":
            if said.get("message_type") in {"offer", "ack", "nak"}:
                return
            mac = str(said.get("client_mac", "")) or mac
        for name in dict.fromkeys(_names(observation)):
            if bare(name) in {"", "*"}:
                continue
            traits = traits_of(NAMES, name, self.name, observation.time, "host name")
            known_as = Trait(
                Attribute.NAME,
                name,
                0.3 if is_common(name) else 0.8,
                self.name,
                f"its name in {observation.kind}",
                observation.time,
            )
            yield Reading(
                mac=mac,
                ip=observation.src,
                traits=(known_as, *traits),
                marks=(Mark(MarkKind.HOSTNAME, bare(name)),),
                words=word("host", bare(name), mac),
                bound=observation.kind == "lease",
                alive=observation.kind != "lease",
            )


def _names(observation: Observation) -> Iterable[str]:
    said = observation.fields
    if observation.kind == "mdns":
        for name in texts(said.get("names")):
            if name.endswith(".local"):
                yield cleaned(name.removesuffix(".local"))
    elif observation.kind == "nbns":
        claims = said.get("operation") in {"registration", "refresh"}
        if claims and not said.get("group") and said.get("suffix") in {"00", "20"}:
            yield cleaned(said.get("name"))
        for name in texts(said.get("names")):
            if name.endswith("<20>"):
                yield cleaned(name.removesuffix("<20>"))
    else:
        yield cleaned(said.get("hostname"))
        yield cleaned(said.get("fqdn")).partition(".")[0]
