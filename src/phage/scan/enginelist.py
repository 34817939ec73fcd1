"""Engines as they stand here: those that are ready, and why others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.plugin import discover
from phage.scan.desk import EngineState
from phage.scan.engine import ENGINES

if TYPE_CHECKING:
    from phage.scan.engineset import EngineSet


def engine_states(engines: EngineSet) -> list[EngineState]:
    """Return every engine that there is, by name."""
    found = []
    for plugin in discover(ENGINES):
        ready = engines.ready.get(plugin.name)
        state = "ready" if ready else ("idle" if plugin.name in engines.idle else "unavailable")
        found.append(
            EngineState(
                name=plugin.name,
                summary=plugin.summary,
                kind=str(getattr(plugin.factory, "kind", "")),
                place=str(getattr(plugin.factory, "place", "")),
                state=state,
                accepts=tuple(sorted(getattr(plugin.factory, "accepts", ()))),
                version=ready.version.engine if ready else "",
                definitions=ready.version.definitions if ready else "",
                built=ready.version.built if ready else 0,
                reason=engines.unavailable.get(plugin.name) or engines.idle.get(plugin.name, ""),
            )
        )
    return found
