"""Messages between the outside and a process in the sandbox, over a stream socket.

A message is a length (4 octets, network order), a letter, and the body: J for a JSON object, D for
octets of a file. Descriptors travel beside requests (unix(7), SCM_RIGHTS). What comes from inside
is hostile: lengths are limited before anything is read, and objects are checked by `answer.py`.
"""

from __future__ import annotations

import array
import json
import select
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock

HEADER = struct.Struct("!Ic")

MOST = 2**20
"""Octets of one message; data comes in pieces."""


class SandboxError(PhageError):
    """A process in the sandbox broke the protocol; what it said is not to be trusted."""


class SandboxTimeoutError(SandboxError):
    """It took too long."""


class SandboxGoneError(SandboxError):
    """It ended before it had answered."""


def send(connection: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send an object, and descriptors with it."""
    body = json.dumps(message, allow_nan=False, default=str).encode()
    frame = HEADER.pack(len(body), b"J") + body
    if files:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        sent = connection.sendmsg([frame], rights)
        connection.sendall(frame[sent:])
    else:
        connection.sendall(frame)


def send_data(connection: socket.socket, data: bytes | memoryview) -> None:
    """Send octets of a file, in pieces."""
    view = memoryview(data)
    for start in range(0, len(view), MOST):
        piece = view[start : start + MOST]
        connection.sendall(HEADER.pack(len(piece), b"D"))
        connection.sendall(piece)


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive an object and its descriptors, inside; None at the end."""
    files = array.array("i")
    frame = b""
    while len(frame) < HEADER.size:
        data, rights, _flags, _address = connection.recvmsg(
            HEADER.size - len(frame), socket.CMSG_SPACE(8 * files.itemsize)
        )
        for level, kind, body in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                files.frombytes(body[: len(body) - len(body) % files.itemsize])
        if not data:
            return None
        frame += data
    size, _letter = HEADER.unpack(frame)
    return json.loads(_exactly(connection, size)), list(files)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        piece = connection.recv(size - len(parts))
        if not piece:
            message = "the other end has gone"
            raise SandboxGoneError(message)
        parts += piece
    return bytes(parts)


@dataclass
class Reader:
    """Reads messages from inside, with a deadline and limits.

    Attributes:
        connection: The outside's end.
        clock: Tells the time.
        deadline: By the clock's monotonic time, when patience ends.
    """

    connection: socket.socket
    clock: Clock
    deadline: float = 0.0

    def message(self) -> dict[str, Any] | bytes:
        """Return the next object, or octets of a file. Raises SandboxError."""
        size, letter = HEADER.unpack(self._exactly(HEADER.size))
        if size > MOST:
            message = f"a message of {size} octets"
            raise SandboxError(message)
        body = self._exactly(size)
        if letter == b"D":
            return body
        return _object(body)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait()
            try:
                piece = self.connection.recv(size - len(parts))
            except OSError as error:
                raise SandboxGoneError(str(error)) from error
            if not piece:
                message = "the process has ended"
                raise SandboxGoneError(message)
            parts += piece
        return bytes(parts)

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self.connection, select.POLLIN)
        left = self.deadline - self.clock.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            message = "took too long"
            raise SandboxTimeoutError(message)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:  # The latter where it is nested too deep.
        message = f"an answer is no JSON: {error}"
        raise SandboxError(message) from error
    if not isinstance(found, dict):
        message = "an answer is no object"
        raise SandboxError(message)
    return found
