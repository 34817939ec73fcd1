"""Alerts of Suricata, and of whatever else writes eve.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from phage.collect.logs.collector import LogCollector, load_positions
from phage.collect.logs.eve import EveParser
from phage.collect.logs.feed import FileFeed, StreamFeed
from phage.collect.logs.parser import Context
from phage.collect.logs.source import STANDARD_INPUT
from phage.collect.logs.unixsocket import UnixSocketFeed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.logs.feed import Feed
    from phage.collect.logs.positions import Position

# An alert carries the packet and the payload when it is told to: up to 64 kB each, in base64.
LONGEST_LINE = 256 * 1024

Transport = Literal["file", "stream", "datagram"]
"""How eve.json comes: written to a file, or sent to a Unix socket that we make."""


class EveJsonCollector(LogCollector):
    """Takes the alerts out of eve.json; flows and messages in it are left out.

    Args:
        paths: Files (or patterns of names), or the socket's path, or `-` for standard input.
        clock: The time of reading.
        saved_at: File in which is kept how far was read; None where it is not.
        transport: How eve.json comes.
        follow: Whether to go on when the end is reached.
        from_end: Whether what is in a file at the first start is left out.
    """

    name = "evejson"
    summary = "Alerts of Suricata and others, from eve.json or a Unix socket."

    def __init__(
        self,
        paths: Sequence[str],
        clock: Clock | None = None,
        saved_at: Path | None = None,
        *,
        transport: Transport = "file",
        follow: bool = True,
        from_end: bool = True,
    ) -> None:
        saved, faults = load_positions(saved_at)
        feeds = [
            _feed(path, transport, saved, follow=follow, from_end=from_end)
            for path in dict.fromkeys(paths)
        ]
        super().__init__(feeds, clock, saved_at, follow=follow)
        self._faults += faults


def _feed(
    path: str, transport: Transport, saved: dict[str, Position], *, follow: bool, from_end: bool
) -> Feed:
    context = Context("stdin" if path == STANDARD_INPUT else path)
    reader, counters = EveParser(context).parse, context.counters
    if path == STANDARD_INPUT:
        return StreamFeed(path, reader, counters, LONGEST_LINE)
    if transport != "file":
        datagrams = transport == "datagram"
        return UnixSocketFeed(path, reader, counters, LONGEST_LINE, datagrams)
    return FileFeed(path, reader, counters, LONGEST_LINE, saved, follow=follow, from_end=from_end)
