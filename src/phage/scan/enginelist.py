"""Engines as they stand here: those that are ready, and why others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.plugin import discover
from phage.scan.desk import EngineState
from phage.scan.engine import ENGINES

if TYPE_CHECKING:
    from phage.scan.engineset import EngineSet


def engine_states(engines: EngineSet) -> list[EngineState]:
    """Return every engine that there is, by name; instances (`icap-gateway`) after all others."""
    found = []
    plugins = {plugin.name: plugin for plugin in discover(ENGINES)}
    for name in dict.fromkeys([*plugins, *engines.ready, *engines.unavailable, *engines.idle]):
        plugin = plugins[name if name in plugins else name.partition("-")[0]]
        ready = engines.ready.get(name)
        state = "ready" if ready else ("idle" if name in engines.idle else "unavailable")
        found.append(
            EngineState(
                name=name,
                summary=plugin.summary,
                kind=str(getattr(plugin.factory, "kind", "")),
                place=str(getattr(plugin.factory, "place", "")),
                state=state,
                accepts=tuple(sorted(getattr(plugin.factory, "accepts", ()))),
                version=ready.version.engine if ready else "",
                definitions=ready.version.definitions if ready else "",
                built=ready.version.built if ready else 0,
                reason=engines.unavailable.get(name) or engines.idle.get(name, ""),
            )
        )
    return found
