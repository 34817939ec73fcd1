"""The control socket: how `phage decisions`, `rules` and `panic` tell a running daemon what to do.

A Unix socket in the folder of state. Only root and the account that started the daemon are
answered (SO_PEERCRED, unix(7)). A connection carries one request and one answer, each a line of
JSON; both are bounded, in octets and in time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pwd
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

from phage.clock import SystemClock
from phage.daemon.requests import Request, parse_request
from phage.errors import PhageError, StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

MAX_REQUEST = 4 * 131_072
"""Octets of a request: a thousand ids fit."""

MAX_ANSWER = 4 << 20
"""Octets of an answer: a thousand decisions with their reasons."""

MAX_CONNECTIONS = 8
"""Connections at a time, a thread each; more are closed at once."""

SECONDS = 5.0
"""How long a peer may take for its request, and for reading the answer."""

ANSWER_SECONDS = 30.0
"""How long an answer may take: a small box under attack has other things to do."""

_CREDENTIALS = struct.Struct("=iII")

Answer = dict[str, Any]


class ControlError(PhageError):
    """The daemon cannot be told; says why and what to do."""


@frozen
class Caller:
    """Who asks: "user:NAME", as audit and decisions name him."""

    name: str

    @classmethod
    def of_account(cls, uid: int) -> Caller:
        """Return who an account of this machine is."""
        try:
            return cls(f"user:{pwd.getpwuid(uid).pw_name}")
        except KeyError:
            return cls(f"user:{uid}")


class ControlServer:
    """Answers requests, each connection in a thread of its own.

    Args:
        path: The socket to make; one that a killed daemon left is replaced.
        owner: Account that may ask, besides root.
        handle: Carries out a request and returns what to answer; raises PhageError to refuse.
    """

    def __init__(
        self, path: Path, owner: int, handle: Callable[[Request, Caller], Mapping[str, object]]
    ) -> None:
        self.path = path
        self.refused = 0
        self.faults = 0
        self._owner = owner
        self._handle = handle
        self._listener: socket.socket | None = None
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="phage-control", daemon=True)

    def start(self) -> None:
        """Listen. Raises StateError. The caller holds the folder's lock: nobody else listens."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self.path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                with _short(self.path) as short:
                    listener.bind(short)
            finally:
                os.umask(before)
            listener.listen(MAX_CONNECTIONS)
        except OSError as error:
            listener.close()
            message = f"{self.path}: cannot listen: {error.strerror}"
            raise StateError(message) from error
        self._listener = listener
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and remove the socket."""
        self._stopping.set()
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=SECONDS)
        self._listener.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        listener = self._listener
        while listener is not None and not self._stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._stopping.wait(0.1):  # Out of descriptors, perhaps for a moment only.
                    return
                continue
            if not self._room.acquire(blocking=False):
                self.refused += 1
                connection.close()
                continue
            try:
                threading.Thread(
                    target=self._answer, args=(connection,), name="phage-request", daemon=True
                ).start()
            except RuntimeError as error:  # No more threads may be had; others end.
                self._room.release()
                self.refused += 1
                connection.close()
                _log.error("control: %s", error, extra={"limit": "control"})

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(SECONDS)
                connection.sendall(encode(self._reply(connection)))
        finally:
            self._room.release()

    def _reply(self, connection: socket.socket) -> Answer:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        try:
            line = _line(connection, MAX_REQUEST, SECONDS)  # What is not read would reset the link.
            if uid not in {0, self._owner}:
                self.refused += 1
                return {"error": "only root and the account that runs phage may ask"}
            return {"ok": True, **self._handle(parse_request(line), Caller.of_account(uid))}
        except PhageError as error:
            self.refused += 1
            return {"error": str(error)}
        except TimeoutError:
            self.refused += 1
            return {"error": f"no whole request came within {SECONDS:.0f} s"}
        except Exception:  # noqa: BLE001  Our own fault: loud, and the daemon goes on.
            self.faults += 1
            _log.exception("a request failed")
            return {"error": "phage failed to carry this out; see its log"}


def ask(path: Path, request: Request, seconds: float = ANSWER_SECONDS) -> Answer:
    """Ask the daemon that listens on a socket; return its answer.

    Raises:
        ControlError: There is no daemon, or it may not be asked, or it refused.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as link:
            link.settimeout(seconds)
            with _short(path) as short:
                link.connect(short)
            link.sendall(request.model_dump_json().encode() + b"\n")
            answer = json.loads(_line(link, MAX_ANSWER, seconds))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        message = (
            f"phage does not run with the state folder {path.parent}: start `phage run`, or name "
            "its folder with --state-dir"
        )
        raise ControlError(message) from None
    except PermissionError:
        message = f"{path}: only root and the account that runs phage may ask"
        raise ControlError(message) from None
    except (OSError, ValueError) as error:
        message = f"{path}: no answer from phage: {error}"
        raise ControlError(message) from error
    if not isinstance(answer, dict) or "error" in answer:
        refusal = answer.get("error") if isinstance(answer, dict) else answer
        message = str(refusal)
        raise ControlError(message)
    return answer


def encode(answer: Answer) -> bytes:
    """Return an answer as one line; one that is too long becomes an error that says so."""
    line = json.dumps(answer, separators=(",", ":"), default=str).encode() + b"\n"
    if len(line) <= MAX_ANSWER:
        return line
    return json.dumps({"error": "the answer is too long; ask for less"}).encode() + b"\n"


def _line(link: socket.socket, most: int, seconds: float) -> bytes:
    """Return the first line that comes, without its end.

    Raises ControlError where it is too long, TimeoutError where it is not whole in time: a peer
    that sends an octet a second holds nothing up.
    """
    clock = SystemClock()
    end = clock.monotonic() + seconds
    data = bytearray()
    while b"\n" not in data:
        link.settimeout(max(0.001, end - clock.monotonic()))
        part = link.recv(65_536)
        if not part:
            break
        data += part
        if len(data) > most:
            message = f"longer than {most} octets"
            raise ControlError(message)
    return bytes(data.partition(b"\n")[0])


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a short name of a socket: an address has room for 107 octets (unix(7))."""
    if len(os.fsencode(path)) <= 107:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
