"""Link layer discovery: names, inventory and capabilities that neighbours tell (802.1AB, MED)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned, texts
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

DESCRIPTIONS = (
    Hint(r"RouterOS|MikroTik", 0.9, vendor="MikroTik", category="router", system="RouterOS"),
    Hint(r"Cisco (?:IOS|NX-OS)", 0.9, vendor="Cisco", category="router", system="IOS"),
    Hint(r"ArubaOS|Aruba", 0.85, vendor="Aruba"),
    Hint(r"Juniper|JUNOS", 0.9, vendor="Juniper", category="router", system="JUNOS"),
    Hint(r"UniFi|\bUAP\b|\bU6-", 0.85, vendor="Ubiquiti"),
    Hint(r"Windows", 0.7, system="Windows"),
    Hint(r"Linux", 0.6, system="Linux"),
)

_CAPABILITIES = (
    ("telephone", "telephone", 0.85),
    ("access_point", "access point", 0.75),
    ("router", "router", 0.6),
    ("docsis", "router", 0.7),
)
"""The first that is enabled; a bridge is in too many things to tell one."""

_TOLD = (
    ("system_name", Attribute.NAME, 0.7),
    ("manufacturer", Attribute.VENDOR, 0.9),
    ("model", Attribute.PRODUCT, 0.85),
    ("serial", Attribute.SERIAL, 0.9),
    ("firmware", Attribute.VERSION, 0.6),
    ("software", Attribute.VERSION, 0.5),
    ("mud_url", Attribute.MUD, 0.9),
)


class LldpIdentifier:
    """Reads frames, which no switch passes on: who sends them is on this link."""

    name: ClassVar[str] = "lldp"
    summary: ClassVar[str] = "LLDP: names, inventory (MED), capabilities, MUD URL"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "lldp": ("system_description", "capabilities", *(name for name, _, _ in _TOLD)),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a frame."""
        said, mac = observation.fields, observation.src_mac
        serial = cleaned(said.get("serial"))
        words = [
            each
            for name in ("system_description", "model", "manufacturer")
            for each in word(f"lldp-{name}", cleaned(said.get(name)), mac)
        ]
        yield Reading(
            mac,
            "",
            tuple(self._traits(observation)),
            (Mark(MarkKind.SERIAL, serial),) if serial else (),
            tuple(words),
        )

    def _traits(self, observation: Observation) -> Iterator[Trait]:
        said, at = observation.fields, observation.time
        for name, attribute, weight in _TOLD:
            if value := cleaned(said.get(name), 500 if attribute is Attribute.MUD else 120):
                evidence = f"LLDP {name.replace('_', ' ')} {value[:80]!r}"
                yield Trait(attribute, value, weight, self.name, evidence, at)
        enabled = texts(said.get("capabilities"))
        for capability, category, weight in _CAPABILITIES:
            if capability in enabled:
                evidence = f"LLDP capability {capability!r}"
                yield Trait(Attribute.CATEGORY, category, weight, self.name, evidence, at)
                break
        described = cleaned(said.get("system_description"))
        yield from traits_of(DESCRIPTIONS, described, self.name, at, "LLDP description")
