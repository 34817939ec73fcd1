"""Web Push: messages for browsers, encrypted for each and signed (RFC 8030, 8188, 8291, 8292).

The push service of the browser's maker carries a message and cannot read it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import json
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from phage.clock import SystemClock
from phage.frozen import frozen
from phage.intel.timely import answer_within
from phage.notify.notifier import NotifyError
from phage.records.address import is_public

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

    from phage.clock import Clock

LONGEST_ENDPOINT = 1024
MAX_PAYLOAD = 3800
"""Octets of a message: push services take 4096 of it encrypted (RFC 8030, section 7.2)."""

TTL_SECONDS = 86_400
"""How long a push service keeps a message for a browser that is away."""

TOKEN_SECONDS = 12 * 3600
"""How long the signed token is good for; at most a day (RFC 8292, section 2)."""

TIMEOUT_SECONDS = 10.0
"""How long one message may take, from the look-up of the name to the end of the answer."""

_RECORD = 4096
_POINT = 65
_SECRET = 16
_MOST_ANSWER = 4096


class GoneError(NotifyError):
    """The browser has ended its subscription."""


class UnreachedError(NotifyError):
    """The push service was not reached: it is away, or we are."""


@frozen
class Recipient:
    """A browser: where its push service takes messages, its key and secret as octets."""

    endpoint: str
    public_key: bytes
    secret: bytes


def recipient(endpoint: str, public_key: str, secret: str) -> Recipient:
    """Return a browser as its subscription tells it, in base64url. Raises NotifyError."""
    _place(endpoint)
    try:
        found = Recipient(endpoint, unpacked(public_key), unpacked(secret))
        _point(found.public_key)
    except ValueError as error:
        message = "the browser's key is no point of P-256 in base64url"
        raise NotifyError(message, retry=False) from error
    if len(found.secret) != _SECRET:
        message = f"the browser's secret has not {_SECRET} octets in base64url"
        raise NotifyError(message, retry=False)
    return found


def packed(octets: bytes) -> str:
    """Return octets in base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def unpacked(text: str) -> bytes:
    """Return what base64url says. Raises ValueError."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from error


def new_key() -> bytes:
    """Return a new key to sign with, as PEM."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  5 MB, seldom used.
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@dataclass
class Pusher:
    """Sends messages to browsers.

    Attributes:
        key: What messages are signed with: a private key of P-256, as PEM.
        contact: Whom a push service may write to: "mailto:..." or "https:..."; '' for nobody.
        may_ask: Tells whether an address may be asked; endpoints are what somebody's browser says.
        context: Whose certificates are trusted.
        clock: Bounds the time of a message.
    """

    key: bytes
    contact: str = ""
    may_ask: Callable[[str], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._private = _private(self.key)

    @property
    def public_key(self) -> str:
        """Return by what browsers know who sends, in base64url."""
        return packed(_octets(self._private))

    def push(self, to: Recipient, payload: bytes, now: int, *, topic: str, urgent: bool) -> None:
        """Hand a message to a browser's push service.

        Args:
            to: The browser.
            payload: What it is told, MAX_PAYLOAD octets at most.
            now: The time, in nanoseconds since the Unix epoch.
            topic: What it is about: newer news of it replace what was not delivered.
            urgent: Wake the device.

        Raises:
            GoneError: The subscription has ended.
            UnreachedError: Nobody answered.
            NotifyError: It was not taken.
        """
        place = _place(to.endpoint)
        headers = {
            "Authorization": self._authorization(place, now),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Topic": packed(hashlib.sha256(topic.encode("utf-8", "replace")).digest()[:24]),
            "Urgency": "high" if urgent else "normal",
        }
        connection = self._connection(place)
        target = (place.path or "/") + (f"?{place.query}" if place.query else "")
        try:
            connection.request("POST", target, sealed(payload, to), headers)
            answer = connection.getresponse()
            answer.read(_MOST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            message = f"{place.hostname}: {type(error).__name__}"
            raise UnreachedError(message) from error
        finally:
            connection.close()
        _judge(place, answer)

    def _authorization(self, place: SplitResult, now: int) -> str:
        """Return the header that says who sends (RFC 8292, section 3)."""
        claims: dict[str, object] = {
            "aud": f"https://{place.netloc}",
            "exp": now // 10**9 + TOKEN_SECONDS,
        }
        if self.contact:
            claims["sub"] = self.contact
        parts = [
            packed(json.dumps(each, separators=(",", ":")).encode())
            for each in ({"typ": "JWT", "alg": "ES256"}, claims)
        ]
        signature = _signature(self._private, ".".join(parts).encode())
        return f"vapid t={'.'.join([*parts, packed(signature)])}, k={self.public_key}"

    def _connection(self, place: SplitResult) -> http.client.HTTPSConnection:
        """Return a connection to an address that may be asked. Raises NotifyError."""
        host, port = place.hostname or "", place.port or 443
        until = self.clock.monotonic() + TIMEOUT_SECONDS
        connection = http.client.HTTPSConnection(host, port)
        answer_within(connection, lambda: until - self.clock.monotonic())
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            allowed = [each[4][0] for each in found if self.may_ask(str(each[4][0]))]
            if not allowed:
                message = f"{host}: is not in the internet, where push services are"
                raise UnreachedError(message, retry=False)
            # Connected by address: a second look-up could lead elsewhere.
            plain = socket.create_connection((str(allowed[0]), port), TIMEOUT_SECONDS)
            try:
                connection.sock = self.context.wrap_socket(plain, server_hostname=host)
            except (OSError, ValueError):
                plain.close()
                raise
        except (OSError, ValueError) as error:
            message = f"{host}: cannot be reached: {type(error).__name__}"
            raise UnreachedError(message) from error
        return connection


def sealed(payload: bytes, to: Recipient, salt: bytes = b"", key: bytes = b"") -> bytes:
    """Return a message encrypted for a browser (RFC 8291, section 3; RFC 8188, section 2).

    Args:
        payload: What is told, MAX_PAYLOAD octets at most.
        to: The browser.
        salt: 16 octets; made by chance unless given.
        key: A private key, as PEM; made for this message unless given.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  As above.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    own = _private(key or new_key())
    salt = salt or os.urandom(16)
    point = _octets(own)
    shared = own.exchange(ec.ECDH(), _point(to.public_key))
    info = b"WebPush: info\0" + to.public_key + point
    material = _derived(shared, to.secret, info, 32)
    content_key = _derived(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(material, salt, b"Content-Encoding: nonce\0", 12)
    text = AESGCM(content_key).encrypt(nonce, payload[:MAX_PAYLOAD] + b"\2", None)
    return salt + _RECORD.to_bytes(4, "big") + bytes([len(point)]) + point + text


def _derived(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  As above.
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), length, salt, info).derive(material)


def _private(pem: bytes) -> EllipticCurvePrivateKey:
    """Return a private key. Raises NotifyError for what is none of P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  As above.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        found = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        message = "the key for Web Push is none; remove the file, and a new one is made"
        raise NotifyError(message, retry=False) from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        message = "the key for Web Push is of another kind; remove the file, and a new one is made"
        raise NotifyError(message, retry=False)
    return found


def _octets(key: EllipticCurvePrivateKey) -> bytes:
    """Return the public half of a key, uncompressed."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  As above.
        Encoding,
        PublicFormat,
    )

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _point(octets: bytes) -> EllipticCurvePublicKey:
    """Return a public key. Raises ValueError for what is no point of the curve."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  As above.

    if len(octets) != _POINT:
        message = f"has not {_POINT} octets"
        raise ValueError(message)
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets)


def _signature(key: EllipticCurvePrivateKey, text: bytes) -> bytes:
    """Return an ES256 signature (RFC 7518, section 3.4)."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415  As above.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _place(endpoint: str) -> SplitResult:
    """Return the parts of an endpoint. Raises NotifyError for what is none."""
    try:
        parts = urlsplit(endpoint)
        is_sound = parts.port is None or parts.port > 0
    except ValueError:
        parts, is_sound = SplitResult("", "", "", "", ""), False
    plain = endpoint.isascii() and endpoint.isprintable() and " " not in endpoint
    if (
        not (is_sound and plain and parts.scheme == "https" and parts.hostname)
        or parts.username is not None
        or len(endpoint) > LONGEST_ENDPOINT
    ):
        message = "the endpoint is no https URL of a push service"
        raise NotifyError(message, retry=False)
    return parts


def _judge(place: SplitResult, answer: http.client.HTTPResponse) -> None:
    """Raise NotifyError unless the push service took it (RFC 8030, sections 5 and 7.3)."""
    if answer.status in {200, 201, 202, 204}:
        return
    message = f"{place.hostname}: answered {answer.status}"
    if answer.status in {404, 410}:
        raise GoneError(message, retry=False)
    rest = answer.getheader("Retry-After", "")
    after = min(float(rest), 3600.0) if rest.isdecimal() else 0.0
    raise NotifyError(message, retry=answer.status == 429 or answer.status >= 500, after=after)
