"""The journal of systemd, through `journalctl --follow --output=json` (systemd.journal-fields(7)).

The journal says who wrote an entry, which a syslog file does not: `logger -t sshd` of an ordinary
account is not believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess  # noqa: TID251  journalctl is the journal's interface; its format is private.
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.collect.logs.follow import BLOCK, LineBuffer
from phage.collect.logs.positions import Position
from phage.collect.logs.source import JOURNAL
from phage.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from phage.collect.logs.feed import LineCounters
    from phage.collect.logs.parser import Parser
    from phage.records import LogEvent

# An entry has some dozen fields around its message.
LONGEST_ENTRY = 64 * 1024
# Accounts of people begin here (login.defs(5)).
FIRST_PERSON = 1000
# A journalctl that ended, as one that was killed for want of memory, is started again after this.
RESTART_SECONDS = 10.0


@dataclass(slots=True)
class JournalFeed:
    """Entries of the journal, from where reading stopped, else from now on."""

    parsers: Sequence[Parser]
    counters: LineCounters
    saved: Mapping[str, Position] = field(default_factory=dict)
    program: str = "journalctl"
    name: str = JOURNAL
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _lines: LineBuffer = field(default_factory=lambda: LineBuffer(LONGEST_ENTRY), init=False)
    _cursor: str = field(default="", init=False)
    _ended: bool = field(default=False, init=False)
    _restart: float = field(default=0.0, init=False)

    def open(self) -> None:
        """Start journalctl. Raises CaptureError where there is none."""
        saved = self.saved.get(JOURNAL)
        self._cursor = saved.cursor if saved is not None else ""
        self._start()

    def _start(self) -> None:
        program = shutil.which(self.program)
        if program is None:
            message = "the journal cannot be read: there is no journalctl here"
            raise CaptureError(message)
        since = f"--after-cursor={self._cursor}" if self._cursor else "--lines=0"
        try:
            self._process = subprocess.Popen(  # noqa: S603  A list of arguments, no shell.
                [program, "--follow", "--output=json", "--no-pager", "--quiet", since],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                close_fds=True,
            )
        except OSError as error:
            message = f"the journal cannot be read: {error}"
            raise CaptureError(message) from error
        os.set_blocking(self._descriptor, False)
        self._lines.clear()
        self._ended = False

    @property
    def _descriptor(self) -> int:
        if self._process is None or self._process.stdout is None:
            return -1
        return self._process.stdout.fileno()

    def look(self, now: float) -> bool:
        """Start journalctl again, a while after it ended; tell whether its pipe came or went."""
        if not self._ended:
            return False
        if self._process is not None:
            self.close()
            self._restart = now + RESTART_SECONDS
            return True
        if now < self._restart:
            return False
        self._restart = now + RESTART_SECONDS
        with contextlib.suppress(CaptureError):
            self._start()
        return not self._ended

    def descriptors(self) -> list[int]:
        """Return the pipe until journalctl has ended."""
        return [] if self._ended or self._process is None else [self._descriptor]

    def paths(self) -> list[Path]:
        """Return none."""
        return []

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return the events of the entries that came."""
        if self._ended or self._process is None:
            return [], False
        try:
            octets = os.read(self._descriptor, BLOCK)
        except BlockingIOError:
            return [], False
        if not octets:
            self._ended = True
            return [], False
        before = self._lines.too_long
        events: list[LogEvent] = []
        for line in self._lines.feed(octets):
            self.counters.lines += 1
            events += self._entry(line, now)
        self.counters.too_long += self._lines.too_long - before
        self.counters.events += len(events)
        return events, True

    def _entry(self, line: str, now: int) -> Iterable[LogEvent]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            self.counters.malformed += 1
            return ()
        self._cursor = _text(entry, "__CURSOR") or self._cursor
        account = _text(entry, "_UID")
        # Without an account it came from the kernel or from before the journal began.
        if account.isdecimal() and int(account) >= FIRST_PERSON:
            self.counters.untrusted += 1
            return ()
        stamp = _text(entry, "_SOURCE_REALTIME_TIMESTAMP") or _text(entry, "__REALTIME_TIMESTAMP")
        time = int(stamp) * 1000 if stamp.isdecimal() and len(stamp) <= 16 else now
        program = _text(entry, "SYSLOG_IDENTIFIER")
        message = _text(entry, "MESSAGE")
        return [
            event
            for parser in self.parsers
            for event in parser.parse_message(program, message, time)
        ]

    def positions(self) -> Mapping[str, Position]:
        """Return the cursor of the last entry."""
        return {JOURNAL: Position(cursor=self._cursor)} if self._cursor else {}

    def has_ended(self) -> bool:
        """Tell that more may come."""
        return False

    def faults(self) -> list[str]:
        """Return that journalctl ended, if it did."""
        return ["journal: journalctl has ended and is started again"] if self._ended else []

    def close(self) -> None:
        """End journalctl."""
        process = self._process
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2.0)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None


def _text(entry: Mapping[str, object], name: str) -> str:
    """Return a field as text; octets that are not UTF-8 come as a list of numbers."""
    value = entry.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        octets = [each for each in value if isinstance(each, int) and 0 <= each < 256]
        return bytes(octets).decode("utf-8", "backslashreplace")
    return ""
