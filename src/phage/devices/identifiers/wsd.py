"""Web services discovery (OASIS WS-Discovery 1.1): cameras by ONVIF, printers, Windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned, texts
from phage.records.device import Attribute, Mark, MarkKind, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

TYPES = (
    Hint(r"NetworkVideoTransmitter|NetworkVideoStorage", 0.9, category="camera"),
    Hint(r"PrintDeviceType|PrinterServiceType", 0.9, category="printer"),
    Hint(r"ScanDeviceType|ScannerServiceType", 0.6, category="printer"),
    Hint(r"pub:Computer", 0.8, category="computer", system="Windows"),
)

_SPOKEN = frozenset({"Hello", "ProbeMatches", "ResolveMatches"})
"""What a device says of itself; who probes looks for others."""

_SCOPES = (
    ("onvif://www.onvif.org/name/", Attribute.NAME, 0.6),
    ("onvif://www.onvif.org/hardware/", Attribute.PRODUCT, 0.75),
    ("onvif://www.onvif.org/manufacturer/", Attribute.VENDOR, 0.85),
)


class WsdIdentifier:
    """Reads what devices announce and answer."""

    name: ClassVar[str] = "wsd"
    summary: ClassVar[str] = "WS-Discovery: cameras (ONVIF), printers, Windows"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"wsd": ("action", "uuid", "types", "scopes")}

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a message."""
        said, at, mac = observation.fields, observation.time, observation.src_mac
        types = [cleaned(each) for each in texts(said.get("types"))]
        if said.get("action") not in _SPOKEN:
            words = [each for kind in types for each in word("wsd?", kind, mac)]
            yield Reading(mac, observation.src, words=tuple(words))
            return
        uuid = cleaned(said.get("uuid")).removeprefix("urn:uuid:").casefold()
        yield Reading(
            mac,
            observation.src,
            (
                *traits_of(TYPES, " ".join(types), self.name, at, "WS-Discovery type"),
                *self._scopes(observation),
            ),
            (Mark(MarkKind.UUID, uuid),) if uuid else (),
            tuple(each for kind in types for each in word("wsd", kind, mac)),
        )

    def _scopes(self, observation: Observation) -> Iterator[Trait]:
        for scope in texts(observation.fields.get("scopes")):
            for prefix, attribute, weight in _SCOPES:
                value = cleaned(unquote(scope.removeprefix(prefix)))
                if scope.startswith(prefix) and value:
                    evidence = f"WS-Discovery scope {cleaned(scope, 100)!r}"
                    yield Trait(attribute, value, weight, self.name, evidence, observation.time)
