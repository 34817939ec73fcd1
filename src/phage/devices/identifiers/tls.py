"""Fingerprints of TLS and QUIC clients: the program, and by it the kind of device (JA3, JA4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.identifier import cleaned
from phage.records.device import Mark, MarkKind, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation


class TlsIdentifier:
    """Reads client hellos. A library is shared by many kinds, so it tells no kind by itself."""

    name: ClassVar[str] = "tls"
    summary: ClassVar[str] = "fingerprints of TLS and QUIC clients"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {
        "tls": ("server", "ja3", "ja4"),
        "quic": ("ja4",),
    }

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a client's hello."""
        said = observation.fields
        ja3, ja4 = cleaned(said.get("ja3")), cleaned(said.get("ja4"))
        if said.get("server") or not (ja3 or ja4):
            return
        yield Reading(
            observation.src_mac,
            observation.src,
            marks=(Mark(MarkKind.JA4, ja4),) if ja4 else (),
            words=tuple(f"{name}:{value}" for name, value in (("ja3", ja3), ("ja4", ja4)) if value),
        )
