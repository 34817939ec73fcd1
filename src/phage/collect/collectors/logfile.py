"""Logs of services: files, the journal, standard input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phage.collect.logs.collector import LogCollector, load_positions
from phage.collect.logs.feed import FileFeed, StreamFeed
from phage.collect.logs.journal import JournalFeed
from phage.collect.logs.parser import Context, make_parser
from phage.collect.logs.source import JOURNAL, STANDARD_INPUT
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.logs.feed import Feed
    from phage.collect.logs.parser import Parser
    from phage.collect.logs.source import LogSource
    from phage.records import LogEvent

# A line of an access log holds a target and a user agent; servers take some kilobytes of each.
LONGEST_LINE = 16 * 1024


class LogFileCollector(LogCollector):
    """Reads the lines of services, and makes events of those that tell something.

    What a line says is believed as far as whoever is refused a login cannot have written it; see
    `phage.collect.logs.pattern`. Several sources may name the same log.

    Fails for lines that tell no address, and for services behind a proxy that log the proxy's.

    Args:
        sources: Which logs.
        clock: The time of reading.
        saved_at: File in which is kept how far was read; None where it is not.
        follow: Whether to go on when the end is reached. Without it windows have the lines' times.
        from_end: Whether what is in a log at the first start is left out.

    Raises:
        ConfigError: A service that there is not, or a pattern that is refused.
    """

    name = "logfile"
    summary = "Logs of services: files, the journal, standard input."

    def __init__(
        self,
        sources: Sequence[LogSource],
        clock: Clock | None = None,
        saved_at: Path | None = None,
        *,
        follow: bool = True,
        from_end: bool = True,
    ) -> None:
        saved, faults = load_positions(saved_at)
        self._saved = saved
        self._from_end = from_end
        feeds = [self._feed(path, each, follow=follow) for path, each in _by_path(sources)]
        super().__init__(feeds, clock, saved_at, follow=follow)
        self._faults += faults

    def _feed(self, path: str, sources: Sequence[LogSource], *, follow: bool) -> Feed:
        context = Context("stdin" if path == STANDARD_INPUT else path)
        parsers = [make_parser(each.service, each.pattern, each.kind, context) for each in sources]
        if path == JOURNAL:
            return JournalFeed(parsers, context.counters, self._saved)
        reader = _reader(parsers)
        if path == STANDARD_INPUT:
            return StreamFeed(path, reader, context.counters, LONGEST_LINE)
        if not os.path.isabs(path):  # noqa: PTH117  It may be a pattern of names.
            message = f"collect.logs.path: must be absolute, journal or - (got {path!r})"
            raise ConfigError(message)
        return FileFeed(
            path,
            reader,
            context.counters,
            LONGEST_LINE,
            self._saved,
            follow=follow,
            from_end=self._from_end,
        )


def _by_path(sources: Iterable[LogSource]) -> Iterable[tuple[str, list[LogSource]]]:
    """Return the sources of each log: it is read once."""
    table: dict[str, list[LogSource]] = {}
    for each in sources:
        table.setdefault(each.path, []).append(each)
    return table.items()


def _reader(parsers: Sequence[Parser]) -> Callable[[str, int], Iterable[LogEvent]]:
    """Return what reads a line by each of several parsers."""
    if len(parsers) == 1:
        return parsers[0].parse

    def read(line: str, now: int) -> Iterable[LogEvent]:
        return [event for parser in parsers for event in parser.parse(line, now)]

    return read
