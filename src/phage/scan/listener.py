"""What fronts share: a listener with bounded connections, and a reader with bounded patience."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

from phage.clock import SystemClock
from phage.errors import PhageError
from phage.scan.front import FrontError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from phage.clock import Clock

_log = logging.getLogger(__name__)

SYSTEM = SystemClock()

BACKLOG = 64
PIECE = 65_536
LONGEST_SECONDS = 600.0
"""How long a request may take to come: who sends an octet now and then holds no place for ever."""

LINGER_SECONDS, LINGER_PIECES = 0.5, 32
"""How long, and how much, is read of who goes on to send after the end."""

LOOK_SECONDS = 0.5
"""How often it is looked whether to stop."""

END_SECONDS = 10.0
"""How long closing waits for what listens: it is woken at once, a busy machine takes longer."""


class ProtocolError(PhageError):
    """What a client sends makes no sense, or ends in the middle."""


class Reader:
    """Reads from a connection: lines and lengths, never more than is asked for.

    Over a Unix socket descriptors may come along; one that nobody takes is closed.
    """

    def __init__(
        self, connection: socket.socket, clock: Clock, longest: float = LONGEST_SECONDS
    ) -> None:
        self._clock = clock
        self._longest = longest
        self._late = clock.monotonic() + longest
        self.connection = connection
        self._data = bytearray()
        self._descriptors: list[int] = []
        self._has_descriptors = connection.family == socket.AF_UNIX

    def restart(self) -> None:
        """Begin with a request: it has all its time before it."""
        self._late = self._clock.monotonic() + self._longest

    def more(self) -> bool:
        """Read what has come; False at the end. Raises TimeoutError, OSError."""
        if self._clock.monotonic() > self._late:
            message = "takes too long"
            raise TimeoutError(message)
        if self._has_descriptors:
            data, descriptors, _, _ = socket.recv_fds(self.connection, PIECE, 1)
            for each in descriptors:
                self._keep(each)
        else:
            data = self.connection.recv(PIECE)
        self._data += data
        return bool(data)

    def _keep(self, descriptor: int) -> None:
        if self._descriptors:
            os.close(self._descriptors.pop())
        self._descriptors.append(descriptor)

    def until(self, *ends: bytes, most: int) -> tuple[bytes, bytes] | None:
        """Return what comes before the first of some ends, and which; None at a clean end.

        Raises ProtocolError for more than `most` octets and for what has no end.
        """
        while True:
            found = [(at, end) for end in ends if (at := self._data.find(end)) >= 0]
            if found:
                at, end = min(found)
                text = bytes(self._data[:at])
                del self._data[: at + len(end)]
                return text, end
            if len(self._data) > most:
                message = f"a line of more than {most} octets"
                raise ProtocolError(message)
            if not self.more():
                if self._data:
                    message = "ends in the middle"
                    raise ProtocolError(message)
                return None

    def first(self) -> bytes:
        """Return the next octet without taking it; b'' at the end."""
        while not self._data:
            if not self.more():
                return b""
        return bytes(self._data[:1])

    def exactly(self, count: int) -> Iterator[bytes]:
        """Yield so many octets, some at a time. Raises ProtocolError where there are fewer."""
        while count:
            if not self._data and not self.more():
                message = "ends in the middle"
                raise ProtocolError(message)
            piece = bytes(self._data[:count])
            del self._data[: len(piece)]
            count -= len(piece)
            yield piece

    def take(self, count: int) -> bytes:
        """Return so many octets. Raises ProtocolError where there are fewer."""
        return b"".join(self.exactly(count))

    def descriptor(self) -> int | None:
        """Return a descriptor that came along, now the caller's; None where there is none."""
        self.take(1)
        return self._descriptors.pop() if self._descriptors else None

    def close(self) -> None:
        """Close what nobody took."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Listener:
    """Takes connections on addresses, each in a thread of its own.

    Args:
        name: What it is called in the log.
        serve: Serves one connection; what it raises ends that connection only.
        connections: Connections at a time; more are closed at once, and counted.
        patience: Seconds that a connection may be silent.
        clock: Tells how long a request takes.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[Reader], None],
        *,
        connections: int,
        patience: float,
        clock: Clock = SYSTEM,
    ) -> None:
        self._counts: Counter[str] = Counter()
        self._name = name
        self._serve = serve
        self._most = connections
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening: dict[socket.socket, threading.Thread] = {}
        self._paths: list[Path] = []
        self._stop = threading.Event()

    def tcp(self, address: str) -> int:
        """Listen on HOST:PORT; return the port. Raises FrontError."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
            listener.listen(BACKLOG)
            bound = int(listener.getsockname()[1])
        except (OSError, ValueError, OverflowError) as error:
            listener.close()
            message = f"{self._name}: cannot listen on {address!r}: {error}"
            raise FrontError(message) from error
        self._begin(listener)
        return bound

    def unix(self, path: Path, mode: int) -> None:
        """Listen on a socket in the file system, in place of one nobody serves.

        Raises FrontError.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _clear(path)
            os.fchmod(listener.fileno(), mode)  # Nobody may ask before it is as it should be.
            listener.bind(str(path))
            path.chmod(mode)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            message = f"{self._name}: cannot listen on {path}: {error}"
            raise FrontError(message) from error
        self._paths.append(path)
        self._begin(listener)

    def close(self) -> None:
        """Stop, and end every connection: also one that is just being accepted."""
        with self._lock:
            self._stop.set()
            listening, self._listening = self._listening, {}
            ending = [*listening, *self._open]
        for each in ending:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in listening.values():
            thread.join(END_SECONDS)
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _begin(self, listener: socket.socket) -> None:
        listener.settimeout(LOOK_SECONDS)
        thread = threading.Thread(
            target=self._accept, args=(listener,), name=f"phage-{self._name}", daemon=True
        )
        self._listening[listener] = thread
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                except OSError:
                    if not self._stop.wait(LOOK_SECONDS):  # Out of descriptors: it passes.
                        continue
                    return
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        with self._lock:  # Whoever closes ends what is open: nothing may be added after that.
            refused = self._stop.is_set() or len(self._open) >= self._most
            if not refused:
                self._open.add(connection)
        if refused:
            self.count("refused")
            connection.close()
            return
        self.count("connections")
        connection.settimeout(self._patience)
        try:
            threading.Thread(
                target=self._run, args=(connection,), name=f"phage-{self._name}-one", daemon=True
            ).start()
        except RuntimeError as error:  # No more threads may be had; others end.
            self.count("refused")
            _log.error("%s: %s", self._name, error, extra={"limit": f"front-{self._name}"})
            self._let_go(connection)

    def _run(self, connection: socket.socket) -> None:
        try:
            with Reader(connection, self._clock) as reader:
                self._serve(reader)
        except (PhageError, OSError) as error:  # It makes no sense, is too slow, or went away.
            self.count("faults")
            _log.debug("%s: %s", self._name, error)
        except Exception:  # noqa: BLE001  A mistake of ours, which one client pays for.
            self.count("faults")
            _log.exception("%s", self._name, extra={"limit": f"front-{self._name}"})
        finally:
            _end(connection)
            self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    @property
    def open(self) -> int:
        """How many connections there are now."""
        with self._lock:
            return len(self._open)

    def count(self, what: str) -> None:
        """Count one more of something; sessions count theirs."""
        with self._lock:
            self._counts[what] += 1

    def counters(self) -> Mapping[str, int]:
        """Return what was counted: connections, and how many were refused or went wrong."""
        with self._lock:
            return dict(self._counts)


def _end(connection: socket.socket) -> None:
    """End the sending, and read on a little: else the kernel takes back what was said last."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SECONDS)
        for _ in range(LINGER_PIECES):
            if not connection.recv(PIECE):
                return


def _clear(path: Path) -> None:
    """Remove a socket that nobody serves. Raises OSError for anything else."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(about.st_mode) or _is_served(path):
        raise FileExistsError(errno.EEXIST, "is in use")
    path.unlink()


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
