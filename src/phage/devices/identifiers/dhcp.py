"""What a client asks a DHCP server for, and how it names itself there (RFC 2132, RFC 8415)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

_CLIENTS = frozenset({
    "discover", "request", "inform", "decline", "bootp",
    "solicit", "confirm", "renew", "rebind", "information_request", "information-request",
})  # fmt: skip

VENDOR_CLASSES = (
    Hint(r"^MSFT 5\.0 XBOX", 0.95, vendor="Microsoft", product="Xbox", category="console"),
    Hint(r"^MSFT 98", 0.9, system="Windows 98", category="computer"),
    Hint(r"^MSFT", 0.9, system="Windows", category="computer"),
    Hint(r"^android-dhcp-(\d+)", 0.9, system=r"Android \1", category="phone"),
    Hint(r"^android", 0.85, system="Android", category="phone"),
    Hint(r"^dhcpcd[- ][\d.]+:Darwin", 0.9, system="macOS"),
    Hint(r"^dhcpcd[- ][\d.]+:Linux", 0.75, system="Linux"),
    Hint(r"^udhcpc? ", 0.6, system="Linux"),
    Hint(r"^AAPLBSDPC", 0.9, vendor="Apple", system="macOS", category="computer"),
    Hint(r"HEWLETT.PACKARD|^HP .*(?:LaserJet|OfficeJet|DeskJet)|^Hewlett", 0.85, vendor="HP",
         category="printer"),
    Hint(r"^Mfg=([^;]+);Typ=Printer;Mod=([^;]+)", 0.95, vendor=r"\1", product=r"\2",
         category="printer"),
    Hint(r"EPSON", 0.9, vendor="Epson", category="printer"),
    Hint(r"^Canon", 0.85, vendor="Canon", category="printer"),
    Hint(r"^Brother|^Brother NC", 0.9, vendor="Brother", category="printer"),
    Hint(r"^Xerox", 0.9, vendor="Xerox", category="printer"),
    Hint(r"^Cisco AP|^Cisco.*Access Point", 0.9, vendor="Cisco", category="access point"),
    Hint(r"^Cisco Systems, Inc\. IP Phone|^Cisco SPA", 0.9, vendor="Cisco", category="telephone"),
    Hint(r"^ArubaAP|^ArubaInstantAP", 0.95, vendor="Aruba", category="access point"),
    Hint(r"^ubnt", 0.9, vendor="Ubiquiti"),
    Hint(r"^(?:yealink|snom|polycom|grandstream|AastraIPPhone)", 0.9, vendor=r"\g<0>",
         category="telephone"),
    Hint(r"^DVR|IPCAM|NetCam|^Hikvision|^dahua|^AXIS", 0.8, category="camera"),
    Hint(r"^Roku/DVP", 0.95, vendor="Roku", category="tv"),
    Hint(r"^PS([345])$", 0.9, vendor="Sony", product=r"PlayStation \1", category="console"),
    Hint(r"^SYNOLOGY|^synology", 0.95, vendor="Synology", category="nas"),
    Hint(r"^QNAP", 0.95, vendor="QNAP", category="nas"),
    Hint(r"^MikroTik|^Mikrotik", 0.9, vendor="MikroTik", category="router", system="RouterOS"),
    Hint(r"^PXEClient", 0.6, category="computer"),
)  # fmt: skip


class DhcpIdentifier:
    """Reads clients' messages. The list of options tells the system; it is shared by many kinds."""

    name: ClassVar[str] = "dhcp"
    summary: ClassVar[str] = "DHCP clients: vendor class, options asked for, client id, MUD URL"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "dhcp": ("message_type", "client_mac", "vendor_class", "parameter_list", "client_id",
                 "mud_url"),
        "dhcpv6": ("message_type", "duid", "vendor", "enterprise", "requested_options", "mud_url"),
    }  # fmt: skip

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a client's message."""
        said, at = observation.fields, observation.time
        if said.get("message_type") not in _CLIENTS:
            return
        v4 = observation.kind == "dhcp"
        mac = str(said.get("client_mac", "")) if v4 else observation.src_mac
        vendor = cleaned(said.get("vendor_class" if v4 else "vendor"))
        options = cleaned(said.get("parameter_list" if v4 else "requested_options"))
        traits = traits_of(VENDOR_CLASSES, vendor, self.name, at, "vendor class")
        if v4:
            traits += _system_of(options, self.name, at)
        if url := cleaned(said.get("mud_url"), 500):
            traits += (Trait(Attribute.MUD, url, 0.9, self.name, "its own MUD URL", at),)
        words = (*word("dhcp60", vendor, mac), *((f"dhcp55:{options}",) if options else ()))
        yield Reading(
            mac=mac or observation.src_mac,
            ip=observation.src,
            traits=traits,
            marks=tuple(_marks(observation, mac, options)),
            words=words,
        )


def _marks(observation: Observation, mac: str, options: str) -> Iterable[Mark]:
    client = cleaned(observation.fields.get("client_id")).casefold()
    if client and client != mac and not client.endswith(mac.replace(":", "")):
        yield Mark(MarkKind.CLIENT_ID, client)
    duid = cleaned(observation.fields.get("duid"))
    if duid:
        yield Mark(MarkKind.DUID, duid)
    if options:
        yield Mark(MarkKind.OPTIONS, options)


def _system_of(options: str, source: str, at: int) -> tuple[Trait, ...]:
    """Return the system that asks for these options; combinations that one maker is known for."""
    codes = options.split(",")
    asked = set(codes)
    system, weight = "", 0.0
    if {"249", "44", "46", "47"} <= asked and codes[0] == "1":
        system, weight = "Windows", 0.85
    elif codes[:5] == ["1", "121", "3", "6", "15"] and "252" in asked:
        system, weight = ("macOS", 0.8) if {"95", "44"} <= asked else ("iOS", 0.6)
    elif {"26", "28", "51", "58", "59"} <= asked and "3" in asked:
        system, weight = "Android", 0.65
    elif {"119", "121", "249", "40", "41", "42"} <= asked or {"28", "2", "119", "12"} <= asked:
        system, weight = "Linux", 0.6
    if not system:
        return ()
    evidence = f"asks for DHCP options {options}"
    return (Trait(Attribute.SYSTEM, system, weight, source, evidence, at),)
