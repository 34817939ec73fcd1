"""Makes the collectors of logs that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.collect.collectors.evejson import EveJsonCollector
from phage.collect.collectors.logfile import LogFileCollector
from phage.collect.logs.source import LogSource

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.logs.collector import LogCollector
    from phage.config.collect import CollectSettings


def make_log_collectors(settings: CollectSettings, clock: Clock, state: Path) -> list[LogCollector]:
    """Make the collectors; `state` is the folder where they keep how far they read.

    They are to be opened while the files can be read, and closed at the end. Raises ConfigError for
    a service that there is not, or a pattern that is refused.
    """
    made: list[LogCollector] = []
    if settings.logs:
        sources = [
            LogSource(each.path, each.service, each.pattern, each.kind) for each in settings.logs
        ]
        made.append(LogFileCollector(sources, clock, state / "logs.json"))
    if settings.eve.paths:
        made.append(
            EveJsonCollector(
                settings.eve.paths,
                clock,
                state / "eve-positions.json",
                transport=settings.eve.transport,
            )
        )
    return made
