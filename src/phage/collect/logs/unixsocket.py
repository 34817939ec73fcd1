"""A Unix socket to which others write lines: Suricata's `filetype: unix_stream` or `unix_dgram`."""

from __future__ import annotations

import contextlib
import select
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phage.collect.logs.feed import Reader, read_lines
from phage.collect.logs.follow import BLOCK, LineBuffer
from phage.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from phage.collect.logs.feed import LineCounters
    from phage.collect.logs.positions import Position
    from phage.records import LogEvent

# A writer has one connection; a restart may leave the old one for a while.
MOST_WRITERS = 8
# Datagrams that are taken before others have their turn.
MOST_DATAGRAMS = 256


@dataclass(slots=True)
class UnixSocketFeed:
    """Listens at a path; takes lines from whoever may write there, by the file's mode (0660).

    Attributes:
        name: The path.
        reader: What lines become.
        counters: What became of lines.
        longest: Octets of the longest line.
        datagrams: Whether each line comes as a datagram.
    """

    name: str
    reader: Reader
    counters: LineCounters
    longest: int
    datagrams: bool = False
    _socket: socket.socket | None = field(default=None, init=False)
    _writers: dict[socket.socket, LineBuffer] = field(default_factory=dict, init=False)
    _changed: bool = field(default=False, init=False)

    def open(self) -> None:
        """Make the socket. Raises CaptureError."""
        path = Path(self.name)
        kind = socket.SOCK_DGRAM if self.datagrams else socket.SOCK_STREAM
        listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
                path.unlink()  # Left behind by a run that was killed.
            listener.bind(self.name)
            path.chmod(0o660)
            if not self.datagrams:
                listener.listen(MOST_WRITERS)
        except OSError as error:
            listener.close()
            message = f"{self.name}: cannot listen there: {error.strerror or error}"
            raise CaptureError(message) from error
        self._socket = listener

    def look(self, now: float) -> bool:
        """Tell whether writers came or went."""
        del now
        changed, self._changed = self._changed, False
        return changed

    def descriptors(self) -> list[int]:
        """Return the socket and its connections."""
        sockets = [*([self._socket] if self._socket else []), *self._writers]
        return [each.fileno() for each in sockets]

    def paths(self) -> list[Path]:
        """Return none."""
        return []

    def read(self, now: int) -> tuple[list[LogEvent], bool]:
        """Return the events of what was written."""
        if self._socket is None:
            return [], False
        ready = _readable([self._socket, *self._writers])
        lines: list[str] = []
        for each in ready:
            if each is not self._socket:
                lines += self._received(each)
            elif self.datagrams:
                lines += self._datagrams(each)
            else:
                self._accept(each)
        return read_lines(lines, self.reader, self.counters, now), bool(ready)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            writer, _ = listener.accept()
            if len(self._writers) >= MOST_WRITERS:
                writer.close()
                return
            writer.settimeout(0)
            self._writers[writer] = LineBuffer(self.longest)
            self._changed = True

    def _received(self, writer: socket.socket) -> list[str]:
        buffer = self._writers[writer]
        before = buffer.too_long
        try:
            octets = writer.recv(BLOCK)
        except BlockingIOError:
            return []
        except OSError:
            octets = b""
        if not octets:
            del self._writers[writer]
            writer.close()
            self._changed = True
            return []
        lines = buffer.feed(octets)
        self.counters.too_long += buffer.too_long - before
        return lines

    def _datagrams(self, listener: socket.socket) -> list[str]:
        lines: list[str] = []
        for _ in range(MOST_DATAGRAMS):
            try:
                octets = listener.recv(self.longest + 1)
            except OSError:
                break
            if len(octets) > self.longest:
                self.counters.too_long += 1
                continue
            lines += octets.decode("utf-8", "backslashreplace").splitlines()
        return lines

    def positions(self) -> Mapping[str, Position]:
        """Return none: what was written is gone."""
        return {}

    def has_ended(self) -> bool:
        """Tell that others may always write."""
        return False

    def faults(self) -> list[str]:
        """Return none."""
        return []

    def close(self) -> None:
        """Close and remove the socket."""
        for each in self._writers:
            each.close()
        self._writers.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with contextlib.suppress(OSError):  # Without privileges the folder may be another's.
                Path(self.name).unlink()


def _readable(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Return those that have something to read; `select` knows the first 1024 numbers only."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    ready = {number for number, _ in poll.poll(0)}
    return [each for each in sockets if each.fileno() in ready]
