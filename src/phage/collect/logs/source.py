"""Which logs are read, as the settings say it."""

from __future__ import annotations

from dataclasses import dataclass

JOURNAL = "journal"
STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class LogSource:
    """One log.

    Attributes:
        path: A file, files by `*` and `?`, `journal`, or `-` for standard input.
        service: Whose lines they are; '' for what syslog writes, where each line says it.
        pattern: What lines look like that are not known (`phage.collect.logs.pattern`).
        kind: What such a line tells.
    """

    path: str
    service: str = ""
    pattern: str = ""
    kind: str = "auth_failed"
