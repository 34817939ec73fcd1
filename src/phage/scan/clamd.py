"""The protocol of clamd (clamd(8)): PING, VERSION, FILDES, INSTREAM."""

from __future__ import annotations

import array
import contextlib
import os
import re
import socket
import struct
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.frozen import frozen
from phage.scan.service import cut_after

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 4096
CHUNK = 2**18
_ANSWER = re.compile(r"^(?:fd\[\d+\]|stream): (.*)$")


class ClamdError(PhageError):
    """clamd cannot be asked, or says that it failed."""


@frozen
class Clamd:
    """Where clamd listens: a socket's path, or HOST:PORT."""

    address: str
    seconds: float = 60.0

    @property
    def is_local(self) -> bool:
        """Tell whether descriptors can be handed over."""
        return self.address.startswith("/")

    def ask(self, command: str) -> str:
        """Return the answer to a command. Raises ClamdError, TimeoutError."""
        with self._connected() as connection:
            connection.sendall(f"n{command}\n".encode())
            return _line(connection)

    def scan(self, descriptor: int) -> str:
        """Return the name of what is in a file; '' for nothing.

        Raises ClamdError when it failed, TimeoutError.
        """
        with self._connected() as connection:
            if self.is_local:
                connection.sendall(b"nFILDES\n")
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
                connection.sendmsg([b"\0"], rights)
            else:
                _stream(connection, descriptor)
            answer = _line(connection)
        match = _ANSWER.match(answer)
        said = match[1] if match else answer
        if said == "OK":
            return ""
        if said.endswith(" FOUND"):
            return said.removesuffix(" FOUND")
        raise ClamdError(said.removesuffix(" ERROR")[:300] or "clamd said nothing")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        try:
            with self._connect() as connection, cut_after(self.seconds, connection):
                yield connection
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            message = f"clamd at {self.address}: {error}"
            raise ClamdError(message) from error

    def _connect(self) -> socket.socket:
        if not self.is_local:
            host, _, port = self.address.rpartition(":")
            return socket.create_connection((host.strip("[]"), int(port)), self.seconds)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.seconds)
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


def _stream(connection: socket.socket, descriptor: int) -> None:
    connection.sendall(b"nINSTREAM\n")
    offset = 0
    while chunk := os.pread(descriptor, CHUNK, offset):
        connection.sendall(struct.pack("!I", len(chunk)) + chunk)
        offset += len(chunk)
    connection.sendall(struct.pack("!I", 0))


def _line(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith((b"\n", b"\0")) and len(answer) < LONGEST:
        piece = connection.recv(LONGEST)
        if not piece:
            break
        answer += piece
    return answer.decode("utf-8", "replace").strip("\0\n\r ")
