"""How phage does, as every page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.api.services import Services


@dataclass(frozen=True, slots=True)
class State:
    """What runs and how.

    Attributes:
        enforce: Blocks are carried out, not only recorded.
        panic: The panic switch is on.
        trial_until: Until when rules are on trial, RFC 3339; '' for no trial.
        faults: What is not well, for people.
        live: What goes on now; empty where nothing is watched.
        responders: How those who carry decisions out do, by name.
        health: What /healthz says.
    """

    enforce: bool = False
    panic: bool = False
    trial_until: str = ""
    faults: tuple[str, ...] = ()
    live: Mapping[str, Any] = field(default_factory=dict)
    responders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    health: Mapping[str, object] = field(default_factory=dict)

    @property
    def drops(self) -> list[tuple[str, int]]:
        """Return what was dropped or failed, the most first."""
        drops: Mapping[str, int] = self.live.get("drops", {})
        return sorted(
            ((name, count) for name, count in drops.items() if count), key=lambda each: -each[1]
        )


def state_of(services: Services) -> State:
    """Return how phage does now."""
    raise NotImplementedError
