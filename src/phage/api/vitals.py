"""Figures of a run, as the API tells them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Vitals:
    """Figures of a run.

    Attributes:
        started: When it was started, in nanoseconds since the Unix epoch.
        packets: Packets since then.
        octets: Octets of them.
        learning: The model still learns.
        findings_open: Findings that are open.
        drops: What was dropped or failed, by kind.
    """

    started: int = 0
    packets: int = 0
    octets: int = 0
    learning: bool = False
    findings_open: int = 0
    drops: Mapping[str, int] = field(default_factory=dict)
