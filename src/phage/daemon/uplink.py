"""How a sensor that joined reaches its controller: over TLS, as itself, and nobody else."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import logging
import os
import ssl
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from phage.access.sensors import SEPARATOR
from phage.bus.codec import encode
from phage.errors import ConfigError, PhageError
from phage.frozen import frozen
from phage.records import Advice

if TYPE_CHECKING:
    from phage.records import Window

_log = logging.getLogger(__name__)

SECONDS = 5.0
"""How long an answer may take; what is counted meanwhile waits, up to a bound."""

JOIN_SECONDS = 60.0
"""The same when it joins: who calls first has the controller's API made, which takes its time."""

MAX_ANSWER = 1 << 20

MAX_INVITATION = 1024

MODELS = "/api/v1/sensors/models"

MAX_MODEL = 64 << 20
"""Octets of a model, as the controller takes and gives them."""


_OCTETS = "application/octet-stream"


class UplinkError(PhageError):
    """A controller cannot be reached, or refuses.

    Attributes:
        is_final: It does not help to try again: this sensor was revoked.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@frozen
class Membership:
    """Who a sensor is: kept in its folder of state, readable by its account only.

    Attributes:
        url: Where the controller is.
        name: What the sensor is called there.
        token: What it shows.
        fingerprint: SHA-256 of the controller's certificate, where it is of its own making.
        invitation: SHA-256 of the invitation that it joined by.
    """

    url: str
    name: str
    token: str = field(repr=False)
    fingerprint: str = ""
    invitation: str = ""

    def joined_by(self, invitation: str) -> bool:
        """Tell whether an invitation is the one by which it joined: shown again, it is kept."""
        return bool(self.invitation) and self.invitation == _digest(invitation)

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
    link = Uplink(Membership(url, "", token, fingerprint.lower()), JOIN_SECONDS)
    try:
        answer = link.post("/api/v1/sensors/join", b"{}", "application/json")
    finally:
        link.close()
    name, own = answer.get("name"), answer.get("token")
    if not (isinstance(name, str) and isinstance(own, str) and own):
        message = f"{url}: answered what phage does not; is the address right?"
        raise UplinkError(message)
    return Membership(url, name, own, fingerprint.lower(), _digest(invitation))


def _digest(invitation: str) -> str:
    return hashlib.sha256(invitation.strip().encode("utf-8", "replace")).hexdigest()


def read_invitation(said: str) -> str:
    """Return an invitation, or the first line of the file that is said as @FILE.

    Raises ConfigError for a file that cannot be read.
    """
    if not said.startswith("@"):
        return said
    try:
        with Path(said[1:]).open(encoding="utf-8", errors="replace") as file:
            return file.readline(MAX_INVITATION).strip()
    except OSError as error:
        message = f"{said[1:]}: the invitation cannot be read: {error.strerror}"
        raise ConfigError(message) from error


@dataclass
class Uplink:
    """Sends windows to a controller. For one thread.

    Attributes:
        member: Who this is.
        seconds: How long an answer may take.
    """

    member: Membership
    seconds: float = SECONDS
    _connection: http.client.HTTPConnection | None = field(default=None, init=False, repr=False)

    def put(self, window: Window) -> list[Advice]:
        """Send a window; return what is to be done with what was learned. Raises UplinkError."""
        answer = self.post("/api/v1/sensors/windows", encode(window), _OCTETS)
        said = answer.get("advice")
        found = [_advice(each) for each in said] if isinstance(said, list) else []
        return [each for each in found if each is not None]

    def keep(self, name: str, octets: bytes) -> bool:
        """Have the controller keep a model. Raises UplinkError."""
        self.post(f"{MODELS}?name={quote(name)}", octets, _OCTETS)
        return True

    def kept(self, name: str) -> bytes:
        """Return a model as the controller keeps it; b'' for none. Raises UplinkError."""
        status, said = self._ask("GET", f"{MODELS}?name={quote(name)}", b"", "", MAX_MODEL)
        return said if status == HTTPStatus.OK else b""

    def post(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        """Post a body; return the answer. Raises UplinkError."""
        _, said = self._ask("POST", path, body, kind, MAX_ANSWER)
        return _document(said)

    def _ask(self, method: str, path: str, body: bytes, kind: str, most: int) -> tuple[int, bytes]:
        """Return status and body of a good answer. Raises UplinkError."""
        was_open = self._connection is not None
        try:
            status, reason, said = self._asked(method, path, body, kind, most)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # It may have been closed there while nothing was sent; who is slow may have heard it.
            if was_open and not isinstance(error, TimeoutError):
                return self._ask(method, path, body, kind, most)
            message = f"{self.member.url}: {getattr(error, 'strerror', None) or error}"
            raise UplinkError(message) from error
        if not 200 <= status < 300:
            detail = str(_document(said).get("detail") or reason)[:200]
            message = f"{self.member.url}: {status} {detail}"
            raise UplinkError(message, is_final=status in {401, 403})
        return status, said

    def _asked(
        self, method: str, path: str, body: bytes, kind: str, most: int
    ) -> tuple[int, str, bytes]:
        """Return status, reason and body of the answer. Raises OSError, HTTPException."""
        headers = {"Authorization": f"Bearer {self.member.token}"}
        headers |= {"Content-Type": kind} if kind else {}
        connection = self._connection or self._connect()
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        said = answer.read(most)
        # More than there may be: what follows is no answer's beginning. Or the controller closes.
        if not answer.isclosed() or connection.sock is None:
            self.close()
        return answer.status, answer.reason, said

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        parts = _split(self.member.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=self.seconds)
            return self._connection
        pinned = self.member.fingerprint
        context = ssl.create_default_context()
        if pinned:  # Its own certificate: known by its fingerprint, whoever signed it.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        made = http.client.HTTPSConnection(host, parts.port, timeout=self.seconds, context=context)
        made.connect()
        made.auto_open = 0  # Else it connects again by itself, and nobody looks at whom it meets.
        if pinned:
            shown = made.sock.getpeercert(binary_form=True) or b""
            if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), pinned):
                made.close()
                message = f"{self.member.url}: its certificate is not the one of the invitation"
                raise UplinkError(message)
        self._connection = made
        return made


def _document(said: bytes) -> dict[str, Any]:
    try:
        document = json.loads(said)
    except (ValueError, RecursionError):  # The latter where it is nested too deep.
        return {}
    return document if isinstance(document, dict) else {}


def _advice(said: Any) -> Advice | None:  # noqa: ANN401  JSON.
    """Return advice as it was sent; None for what is none, which is logged."""
    try:
        return Advice(
            str(said["verb"]),
            int(said["mac"]),
            bytes.fromhex(said["address"]).rjust(16, b"\0")[:16],
            int(said["since"]),
            int(said["until"]),
        )
    except (KeyError, ValueError, TypeError, OverflowError):
        _log.warning("a controller's advice cannot be read", extra={"limit": "uplink"})
        return None


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
