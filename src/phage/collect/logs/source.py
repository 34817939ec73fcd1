"""Which logs are read, as the settings say it."""

from __future__ import annotations

from phage.frozen import frozen

JOURNAL = "journal"
STANDARD_INPUT = "-"


@frozen
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
