"""Webhooks: a JSON object is posted to an address; also to Slack, Discord, Mattermost and Teams."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import SplitResult, urlsplit

from phage.notify.chat import STYLES
from phage.notify.notifier import NotifyError
from phage.notify.secretfile import secret
from phage.records.address import is_never_asked

if TYPE_CHECKING:
    from phage.notify.notice import Notice

# What the other side says besides its status is of no use; a hostile one may send without end.
_MOST_ANSWER = 64 * 1024
_LONGEST_REST = 3600.0


@dataclass(slots=True)
class Webhook:
    """Posts notices to a URL, as JSON or in the shape that a chat service takes.

    Redirects are not followed and no proxy of the environment is used: what is sent goes where the
    settings say. With a key each post is signed: `X-Phage-Signature: sha256=` and the HMAC of the
    body.
    """

    name: ClassVar[str] = "webhook"
    summary: ClassVar[str] = (
        "A program or a chat service, by HTTP: Slack, Discord, Mattermost, Teams."
    )

    url: str = field(default="", repr=False)
    """Where to post; in the URLs of chat services the path is a secret: better in url_file."""
    url_file: str = ""
    """File whose first line is the URL."""
    style: str = "json"
    """json, slack, discord, mattermost or teams."""
    token: str = field(default="", repr=False)
    """Sent as `Authorization: Bearer`; better in token_file."""
    token_file: str = ""
    """File whose first line is the token."""
    key: str = field(default="", repr=False)
    """Signs each post; better in key_file."""
    key_file: str = ""
    """File whose first line is the key."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, in PEM."""
    timeout: float = 10.0
    """Seconds to wait for the other side."""

    def check(self) -> str:
        """Return what is missing."""
        if self.style not in STYLES:
            return f"style: there is no {self.style!r}; there are {', '.join(STYLES)}"
        if not (self.url or self.url_file):
            return "url or url_file is not set"
        if self.url and not self.url.startswith(("https://", "http://")):
            return "url: must begin with https:// or http://"
        return ""

    def tell(self, notice: Notice) -> None:
        """Post a notice. Raises NotifyError."""
        parts = self._place()
        body = json.dumps(STYLES[self.style](notice)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "phage"}
        if token := secret(self.token, self.token_file):
            headers["Authorization"] = f"Bearer {token}"
        if key := secret(self.key, self.key_file):
            signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Phage-Signature"] = f"sha256={signature}"
        connection = self._connection(parts)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.connect()
            _refuse(parts, connection)
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            answer.read(_MOST_ANSWER)
            _judge(parts, answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(parts, error) from None
        finally:
            connection.close()

    def _place(self) -> SplitResult:
        try:
            parts = urlsplit(secret(self.url, self.url_file))
            port_is_sound = parts.port is None or parts.port > 0
        except ValueError:
            port_is_sound, parts = False, SplitResult("", "", "", "", "")
        if not (port_is_sound and parts.scheme in {"http", "https"} and parts.hostname):
            message = "webhook: the URL is none of http or https"
            raise NotifyError(message, retry=False)
        return parts

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self.timeout)
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            message = f"{self.ca_file}: no certificates can be read there: {error.strerror}"
            raise NotifyError(message, retry=False) from error
        return http.client.HTTPSConnection(host, parts.port, timeout=self.timeout, context=context)

    def close(self) -> None:
        """Nothing is open between two notices."""


def _refuse(parts: SplitResult, connection: http.client.HTTPConnection) -> None:
    """Raise NotifyError where a URL leads to what holds the credentials of a machine."""
    address = str(connection.sock.getpeername()[0])
    if is_never_asked(address):
        message = f"{parts.scheme}://{parts.hostname}: is at {address}, where nobody can be told"
        raise NotifyError(message, retry=False)


def _judge(parts: SplitResult, answer: http.client.HTTPResponse) -> None:
    """Raise NotifyError unless the other side took it."""
    if 200 <= answer.status < 300:
        return
    # 408, 425, 429 and 5xx pass; all else is said again each time.
    retry = answer.status in {408, 425, 429} or answer.status >= 500
    rest = answer.getheader("Retry-After", "")
    after = min(float(rest), _LONGEST_REST) if rest.isdecimal() else 0.0
    message = f"{parts.scheme}://{parts.hostname}: answered {answer.status}"
    raise NotifyError(message, retry=retry, after=after)


def _failed(parts: SplitResult, error: Exception) -> NotifyError:
    """Return the error without the path, which may be a secret."""
    where = f"{parts.scheme}://{parts.hostname}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotifyError(f"{where}: its certificate is not trusted: {error.verify_message}")
    if isinstance(error, ValueError):
        return NotifyError(
            f"{where}: the URL or a secret has a character that cannot be sent", retry=False
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return NotifyError(f"{where}: {reason}")
