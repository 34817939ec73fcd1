"""Which clouds a device talks to: names in DNS questions, TLS and HTTP.

The strongest sign of a maker that a device without words gives; but phones talk to the clouds of
all the things that they steer, so a cloud says less the more others there are (`weigh`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.clouds import CLOUDS
from phage.devices.hints import word
from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Reading, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

_FIELDS = {"dns": "query", "tls": "sni", "quic": "sni", "http": "host"}


class DomainsIdentifier:
    """Reads the names that a device asks for."""

    name: ClassVar[str] = "domains"
    summary: ClassVar[str] = "which clouds a device talks to: names in DNS, TLS, QUIC and HTTP"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "dns": ("response", "query"),
        "tls": ("server", "sni"),
        "quic": ("sni",),
        "http": ("method", "host"),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a name."""
        said = observation.fields
        if said.get("response") or said.get("server"):
            return
        name = cleaned(said.get(_FIELDS[observation.kind])).casefold().partition(":")[0]
        if "." not in name or name.endswith((".arpa", ".local", ".lan", ".home")):
            return
        yield Reading(
            observation.src_mac,
            observation.src,
            tuple(self._traits(name, observation.time)),
            words=word("name", name, observation.src_mac),
        )

    def _traits(self, name: str, at: int) -> Iterable[Trait]:
        labels = name.rstrip(".").split(".")
        for start in range(len(labels) - 1):
            cloud = CLOUDS.get(".".join(labels[start:]))
            if cloud is None:
                continue
            weight, tells = cloud
            for attribute, value in tells:
                yield Trait(Attribute(attribute), value, weight, self.name, f"asks for {name}", at)
            return
