"""Syslog (RFC 5424): over UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425), or the local socket."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.clock import rfc3339
from phage.notify.cef import cef
from phage.notify.notifier import NotifyError
from phage.records import Severity

if TYPE_CHECKING:
    from phage.notify.notice import Notice

# RFC 5424, section 6.2.1: severities as numbers, worst first; log audit and authpriv as facility.
_SEVERITIES = {
    Severity.INFO: 6,
    Severity.LOW: 5,
    Severity.MEDIUM: 4,
    Severity.HIGH: 3,
    Severity.CRITICAL: 2,
}
_FACILITIES = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13} | {
    f"local{number}": 16 + number for number in range(8)
}
# Receivers take 2,048 octets at least (section 6.1); UDP should not be cut in pieces.
_LONGEST_DATAGRAM = 2048
_LONGEST_MESSAGE = 8192
# For examples and private use (RFC 5612).
_ENTERPRISE = 32473


@dataclass(slots=True)
class Syslog:
    """Sends notices as messages of syslog, with fields as structured data."""

    name: ClassVar[str] = "syslog"
    summary: ClassVar[str] = "A syslog server, or the syslog of this machine."

    address: str = "/dev/log"
    """A socket's path, or host and port, such as 192.0.2.1:514 or [2001:db8::1]:514."""
    transport: str = "udp"
    """To a host: udp, tcp or tls."""
    facility: str = "daemon"
    """user, daemon, auth, authpriv, audit, or local0 to local7."""
    format: str = "fields"
    """fields: as structured data; cef: as ArcSight's Common Event Format, for SIEMs."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, in PEM."""
    timeout: float = 5.0
    """Seconds to wait for the server."""

    _connection: socket.socket | None = field(default=None, init=False, repr=False)

    def check(self) -> str:
        """Return what is missing."""
        if self.facility not in _FACILITIES:
            return f"facility: there is no {self.facility!r}; there are {', '.join(_FACILITIES)}"
        if self.format not in {"fields", "cef"}:
            return f"format: there is no {self.format!r}; there are fields and cef"
        if self.transport not in {"udp", "tcp", "tls"}:
            return f"transport: there is no {self.transport!r}; there are udp, tcp and tls"
        if self.address.startswith("/") or _split(self.address) is not None:
            return ""
        return "address: must be a path, or host and port, such as 192.0.2.1:514"

    def tell(self, notice: Notice) -> None:
        """Send a notice. Raises NotifyError."""
        message = self.render(notice)
        try:
            self._send(message)
        except OSError as first:
            self.close()
            if first.errno is None:  # A time-out: once is enough.
                raise self._failed(first) from None
            try:
                self._send(message)  # The server may just have closed an idle connection.
            except OSError as error:
                self.close()
                raise self._failed(error) from None

    def render(self, notice: Notice) -> bytes:
        """Return a notice as a message of RFC 5424."""
        priority = _FACILITIES[self.facility] * 8 + _SEVERITIES[notice.severity]
        host = _token(socket.gethostname(), 255)
        header = f"<{priority}>1 {rfc3339(notice.time)} {host} phage {os.getpid()} {notice.kind}"
        if self.format == "cef":
            return f"{header} - {cef(notice)}".encode()
        fields = {"severity": str(notice.severity), **notice.fields}
        data = "".join(f' {_name(name)}="{_quoted(str(value))}"' for name, value in fields.items())
        text = " ".join(f"{notice.title}: {notice.text}".split())
        return f"{header} [phage@{_ENTERPRISE}{data}] {text}".encode()

    def _send(self, message: bytes) -> None:
        if self._connection is None:
            self._connection = self._connect()
        if self._is_stream():
            cut = _cut(message, _LONGEST_MESSAGE)
            self._connection.sendall(b"%d %s" % (len(cut), cut))  # Octet counting.
        else:
            self._connection.send(_cut(message, _LONGEST_DATAGRAM))

    def _is_stream(self) -> bool:
        return not self.address.startswith("/") and self.transport != "udp"

    def _connect(self) -> socket.socket:
        if self.address.startswith("/"):
            return self._connected(socket.AF_UNIX, socket.SOCK_DGRAM, self.address)
        split = _split(self.address)
        if split is None:
            message = f"syslog: {self.address} is neither a path nor host and port"
            raise NotifyError(message, retry=False)
        if self.transport == "udp":
            family, _, _, _, place = socket.getaddrinfo(*split, type=socket.SOCK_DGRAM)[0]
            return self._connected(family, socket.SOCK_DGRAM, place)
        if self.transport == "tcp":
            return socket.create_connection(split, timeout=self.timeout)
        context = ssl.create_default_context(cafile=self.ca_file or None)
        plain = socket.create_connection(split, timeout=self.timeout)
        return context.wrap_socket(plain, server_hostname=split[0])

    def _connected(self, family: int, kind: int, place: str | tuple[object, ...]) -> socket.socket:
        made = socket.socket(family, kind)
        made.settimeout(self.timeout)
        try:
            made.connect(place)
        except OSError:
            made.close()
            raise
        return made

    def _failed(self, error: OSError) -> NotifyError:
        return NotifyError(f"syslog {self.address}: {error.strerror or error}")

    def close(self) -> None:
        """Close the connection; the next notice opens a new one."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def _split(address: str) -> tuple[str, int] | None:
    """Return host and port of "192.0.2.1:514" or "[::1]:514"; None of anything else."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return None
    return host, int(port)


def _cut(message: bytes, longest: int) -> bytes:
    """Return a message that is no longer, with no half character at its end."""
    if len(message) <= longest:
        return message
    return message[:longest].decode("utf-8", "ignore").encode()


def _token(text: str, longest: int) -> str:
    """Return printable ASCII without spaces (PRINTUSASCII), '-' for nothing."""
    return "".join(mark for mark in text if "!" <= mark <= "~")[:longest] or "-"


def _name(text: str) -> str:
    """Return a name of structured data: no space, =, ], or quotation mark, at most 32."""
    return "".join(mark for mark in _token(text, 32) if mark not in '=]"')


def _quoted(text: str) -> str:
    """Return a value of structured data (section 6.3.3)."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
