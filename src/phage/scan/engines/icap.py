"""Scanners behind ICAP (RFC 3507): most commercial ones, also those that need Windows."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError, PluginUnavailableError
from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan.engine import Answer, EngineDefaults, Place
from phage.scan.service import address_of, cut_after
from phage.scan.trials import BENIGN, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.scan.content import Content

LONGEST = 65_536
"""Octets of an answer's head."""

_THREAT = re.compile(r"Threat=([^;]+)", re.IGNORECASE)
_NAMED = (
    "x-infection-found",
    "x-virus-id",
    "x-violations-found",
    "x-virus-name",
    "x-blocked-reason",
)


_NOTHING = frozenset({"", "0"})
"""Values of these that say that there is nothing: some servers count violations."""


class IcapError(PhageError):
    """The server cannot be asked, or its answer makes no sense."""


@dataclass(kw_only=True)
class IcapEngine(EngineDefaults):
    """Sends a file to an ICAP server as the body of a response (RESPMOD).

    204 means that nothing was found; headers or a changed response that something was. Several
    servers are `icap-NAME` each, with an address of their own.
    """

    name: ClassVar[str] = "icap"
    summary: ClassVar[str] = "Asks a scanner behind an ICAP server (RFC 3507)."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    place: ClassVar[Place] = Place.SERVICE
    by_default: ClassVar[bool] = False
    instances: ClassVar[bool] = True

    url: str = ""
    """The service, as icap://HOST:1344/avscan."""
    timeout: float = 60.0
    """Seconds that one file may take."""

    def version(self) -> EngineVersion:
        """Return what the server says of itself. Raises PluginUnavailableError."""
        try:
            status, headers = self._talk(self._head("OPTIONS", ""), b"", None)
        except (IcapError, OSError) as error:
            message = f"{self.url}: {error}"
            raise PluginUnavailableError(message) from error
        if status != 200:
            message = f"{self.url} answers OPTIONS with {status}"
            raise PluginUnavailableError(message)
        return EngineVersion(
            headers.get("service", "icap")[:100], headers.get("istag", "").strip('"')
        )

    def prepare(self) -> None:
        """Ask the server whether it is there."""
        self.version()

    def scan(self, content: Content) -> Answer:
        """Send the file."""
        request = b"GET http://phage.invalid/sample HTTP/1.1\r\nHost: phage.invalid\r\n\r\n"
        response = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {content.size}\r\n\r\n"
        ).encode()
        places = f"req-hdr=0, res-hdr={len(request)}, res-body={len(request) + len(response)}"
        head = self._head("RESPMOD", f"Allow: 204\r\nEncapsulated: {places}\r\n")
        status, headers = self._talk(head, request + response, content)
        return _answer(status, headers, content.size)

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def _head(self, method: str, more: str) -> bytes:
        host, _ = self._address()
        text = f"{method} {self.url} ICAP/1.0\r\nHost: {host}\r\nConnection: close\r\n"
        return (text + more + "\r\n").encode("ascii", "replace")

    def _address(self) -> tuple[str, int]:
        """Return host and port of the server. Raises IcapError."""
        try:
            return address_of(self.url, "icap", 1344)
        except ValueError as error:
            message = "needs a server: scan.settings.icap.url: icap://HOST:1344/SERVICE"
            raise IcapError(message) from error

    def _talk(
        self, head: bytes, encapsulated: bytes, content: Content | None
    ) -> tuple[int, dict[str, str]]:
        with (
            socket.create_connection(self._address(), self.timeout) as connection,
            cut_after(self.timeout, connection),
        ):
            connection.sendall(head + encapsulated)
            if content is not None:
                for chunk in content.chunks():
                    connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                connection.sendall(b"0\r\n\r\n")
            return _read_head(connection)


def _read_head(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Read the answer's head, and that of a response in it."""
    data = b""
    while data.count(b"\r\n\r\n") < 2 and len(data) < LONGEST:
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
        if data.startswith(b"ICAP/1.0 204") and b"\r\n\r\n" in data:
            break
    first, _, rest = data.partition(b"\r\n")
    words = first.decode("latin-1").split(None, 2)
    if len(words) < 2 or not words[0].startswith("ICAP/") or not words[1].isdecimal():
        message = "the server's answer is not ICAP"
        raise IcapError(message)
    headers: dict[str, str] = {}
    own, _, inner = rest.partition(b"\r\n\r\n")
    for line in (own + b"\r\n" + inner).decode("latin-1").split("\r\n")[:200]:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip()[:500])
        elif line.startswith("HTTP/"):
            headers.setdefault(":status", line.split(None, 2)[1] if len(line.split()) > 1 else "")
    return int(words[1]), headers


def _answer(status: int, headers: Mapping[str, str], size: int) -> Answer:
    """Return what an answer means; `size` are the octets that were sent."""
    found = next((headers[name] for name in _NAMED if headers.get(name, "0") not in _NOTHING), "")
    if found:
        match = _THREAT.search(found)
        label = (match[1] if match else found).strip()[:200]
        return Answer(Category.MALICIOUS, label or "unnamed")
    if status == 204:
        return Answer()
    if status == 200:
        # Changed without a name: a page in its place, unless the response came back as it was.
        if headers.get(":status", "200") == "200":
            if headers.get("content-length", str(size)) == str(size):
                return Answer()
            return Answer(Category.MALICIOUS, "replaced by something else")
        return Answer(Category.MALICIOUS, f"blocked with {headers[':status']}")
    message = f"the server answers with {status}"
    raise IcapError(message)
