"""How phage does, as pages show it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.api.services import Services

LIVE_ROWS = 200
"""Hosts and blocks that are asked for."""


@frozen
class State:
    """What runs and how.

    Attributes:
        status: The daemon's own word; empty where nothing decides.
        live: What goes on now; empty where nothing is watched.
        health: What /healthz says.
        uptime: Seconds since phage was started.
        learning: The model still learns what is normal.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, object] = field(default_factory=dict)
    uptime: float = 0.0
    learning: bool = False

    @property
    def enforce(self) -> bool:
        """Tell whether decisions are carried out, not only recorded."""
        return bool(self.status.get("enforce"))

    @property
    def panic(self) -> bool:
        """Tell whether the panic switch is on."""
        return bool(self.status.get("panic"))

    @property
    def trial_until(self) -> str:
        """Return until when rules are on trial, RFC 3339; '' for no trial."""
        return str(self.status.get("rules", {}).get("trial_until", ""))

    @property
    def responders(self) -> Mapping[str, Mapping[str, Any]]:
        """Return how those who carry decisions out do, by name."""
        found: Mapping[str, Mapping[str, Any]] = self.status.get("responders", {})
        return found

    @property
    def drops(self) -> list[tuple[str, int]]:
        """Return what was dropped or failed since the start, the most first."""
        drops: Mapping[str, int] = self.live.get("drops", {})
        return sorted(
            ((name, count) for name, count in drops.items() if count), key=lambda each: -each[1]
        )

    @property
    def faults(self) -> list[str]:
        """Return what is not well, for people."""
        health, found = self.health, []
        if not health.get("watching", True):
            found.append("Nothing is watched: an interface is gone, or may not be read.")
        down = health.get("down")
        if isinstance(down, list | tuple) and down:
            found.append(f"Interfaces are down: {', '.join(map(str, down))}.")
        for part in ("store", "policy"):
            word = health.get(part, "ok")
            if word != "ok":
                said = "; ".join(map(str, word.values())) if isinstance(word, dict) else word
                found.append(f"The {part} is not well: {said}.")
        return found


def state_of(services: Services) -> State:
    """Return how phage does now; what does not answer is left out."""
    vitals = services.vitals()
    return State(
        status=_asked(services, "status"),
        live=_asked(services, "live", limit=LIVE_ROWS),
        health=dict(services.health()),
        uptime=max(0.0, (services.clock.now() - vitals.started) / 1e9) if vitals.started else 0.0,
        learning=vitals.learning,
    )


def _asked(services: Services, verb: str, **values: object) -> Mapping[str, Any]:
    if services.steer is None:
        return {}
    try:
        return services.steer(verb, "", **values)
    except PhageError:
        return {}
