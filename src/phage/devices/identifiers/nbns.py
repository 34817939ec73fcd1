"""NetBIOS and link-local names: who asks by them runs Windows, or Samba."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation


_WORD = 16
"""Characters of an operation or a suffix; longer ones are none."""


class NbnsIdentifier:
    """Reads who takes part in NBNS (RFC 1002) and LLMNR (RFC 4795)."""

    name: ClassVar[str] = "nbns"
    summary: ClassVar[str] = "who takes part in NetBIOS and link-local name service"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "nbns": ("operation", "response", "suffix", "group"),
        "llmnr": ("response",),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a message."""
        said, at = observation.fields, observation.time
        if observation.kind == "llmnr":
            # systemd-resolved and Android's mdnsd ask so too; Windows does most.
            traits = (Trait(Attribute.SYSTEM, "Windows", 0.4, self.name, "speaks LLMNR", at),)
            yield Reading(observation.src_mac, observation.src, traits, words=("llmnr",))
            return
        operation = cleaned(said.get("operation"), _WORD)
        suffix = cleaned(said.get("suffix"), _WORD)
        words = (f"nbns:{operation}:{suffix}",)
        server = suffix == "20" and operation in {"registration", "refresh"}
        evidence = "registers a file server by NetBIOS"
        traits = (Trait(Attribute.SYSTEM, "Windows", 0.5, self.name, evidence, at),)
        yield Reading(observation.src_mac, observation.src, traits if server else (), words=words)
