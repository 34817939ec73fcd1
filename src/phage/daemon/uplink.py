"""How a sensor that joined reaches its controller: over TLS, as itself, and nobody else."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import os
import ssl
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from phage.access.sensors import SEPARATOR
from phage.bus.codec import encode
from phage.errors import PhageError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.records import Window

SECONDS = 5.0
"""How long an answer may take; what is counted meanwhile waits, up to a bound."""

MAX_ANSWER = 1 << 20


class UplinkError(PhageError):
    """A controller cannot be reached, or refuses.

    Attributes:
        is_final: It does not help to try again: this sensor was revoked.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Membership:
    """Who a sensor is: kept in its folder of state, readable by its account only.

    Attributes:
        url: Where the controller is.
        name: What the sensor is called there.
        token: What it shows.
        fingerprint: SHA-256 of the controller's certificate, where it is of its own making.
    """

    url: str
    name: str
    token: str = field(repr=False)
    fingerprint: str = ""

    def save(self, path: Path) -> None:
        """Keep it. Raises OSError."""
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Membership | None:
        """Return what was kept; None for nothing. Raises UplinkError for what is damaged."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            message = f"{path}: cannot be read: {error}; join again with --join"
            raise UplinkError(message) from error


def join(url: str, invitation: str) -> Membership:
    """Join a controller by an invitation, which is used up. Raises UplinkError."""
    token, _, fingerprint = invitation.strip().partition(SEPARATOR)
    link = Uplink(Membership(url, "", token, fingerprint.lower()))
    try:
        answer = link.post("/api/v1/sensors/join", b"{}", "application/json")
    finally:
        link.close()
    return Membership(url, str(answer["name"]), str(answer["token"]), fingerprint.lower())


@dataclass
class Uplink:
    """Sends windows to a controller. For one thread.

    Attributes:
        member: Who this is.
    """

    member: Membership
    _connection: http.client.HTTPConnection | None = field(default=None, init=False, repr=False)

    def put(self, window: Window) -> list[dict[str, Any]]:
        """Send a window; return what is to be done with what was learned. Raises UplinkError."""
        answer = self.post("/api/v1/sensors/windows", encode(window), "application/octet-stream")
        advice = answer.get("advice")
        return (
            [each for each in advice if isinstance(each, dict)] if isinstance(advice, list) else []
        )

    def post(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        """Post a body; return the answer. Raises UplinkError."""
        was_open = self._connection is not None
        try:
            status, reason, said = self._asked(path, body, kind)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if was_open:  # It may have been closed there while nothing was sent.
                return self.post(path, body, kind)
            message = f"{self.member.url}: {getattr(error, 'strerror', None) or error}"
            raise UplinkError(message) from error
        try:
            document = json.loads(said)
        except ValueError:
            document = {}
        document = document if isinstance(document, dict) else {}
        if not 200 <= status < 300:
            detail = str(document.get("detail") or reason)[:200]
            message = f"{self.member.url}: {status} {detail}"
            raise UplinkError(message, is_final=status in {401, 403})
        return document

    def _asked(self, path: str, body: bytes, kind: str) -> tuple[int, str, bytes]:
        """Return status, reason and body of the answer. Raises OSError, HTTPException."""
        headers = {"Authorization": f"Bearer {self.member.token}", "Content-Type": kind}
        connection = self._connection or self._connect()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.reason, answer.read(MAX_ANSWER)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        parts = _split(self.member.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=SECONDS)
            return self._connection
        pinned = self.member.fingerprint
        context = ssl.create_default_context()
        if pinned:  # Its own certificate: known by its fingerprint, whoever signed it.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        made = http.client.HTTPSConnection(host, parts.port, timeout=SECONDS, context=context)
        made.connect()
        if pinned:
            shown = made.sock.getpeercert(binary_form=True) or b""
            if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), pinned):
                made.close()
                message = f"{self.member.url}: its certificate is not the one of the invitation"
                raise UplinkError(message)
        self._connection = made
        return made


def _split(url: str) -> SplitResult:
    """Return a URL's parts. Raises UplinkError where what is sent could be read by others."""
    try:
        parts = urlsplit(url)
        host, sound = parts.hostname or "", parts.port is None or parts.port > 0
    except ValueError:
        parts, host, sound = SplitResult("", "", "", "", ""), "", False
    if not (host and sound and parts.scheme in {"http", "https"}):
        message = f"{url!r} is no URL of a controller: https://HOST:PORT"
        raise UplinkError(message)
    if parts.scheme == "http" and not _is_here(host):
        message = f"{url}: without TLS only a controller on this machine is joined: use https://"
        raise UplinkError(message)
    return parts


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
