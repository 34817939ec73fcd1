"""Multicast listener discovery: who is there by IPv6, and which services it listens for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.identifier import cleaned, texts
from phage.records.device import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

_SOLICITED = "ff02::1:ff"
"""Groups by which neighbours ask for one address (RFC 4291, section 2.7.1): they tell a unit."""


class MldIdentifier:
    """Reads reports. A host sends them when its interface comes up, before it has an address."""

    name: ClassVar[str] = "mld"
    summary: ClassVar[str] = "MLD: who listens to which groups of IPv6"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"mld": ("kind", "groups")}

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a message."""
        groups: tuple[str, ...] = ()
        if observation.fields.get("kind") == "report":
            groups = texts(observation.fields.get("groups"))
        words = (f"mld:{cleaned(each)}" for each in groups if not each.startswith(_SOLICITED))
        yield Reading(observation.src_mac, observation.src, words=tuple(words))
