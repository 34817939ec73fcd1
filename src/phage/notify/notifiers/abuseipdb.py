"""Reports attackers to AbuseIPDB, whose blacklist others use."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode, urlsplit

from phage.notify.notifier import NotifyError
from phage.notify.secretfile import secret

if TYPE_CHECKING:
    from phage.notify.notice import Notice

CATEGORIES = {
    "portscan": "14",
    "bruteforce": "18",
    "loginfail": "18",
    "webprobe": "21",
    "synflood": "4",
    "volumetric": "4",
}
"""Detectors whose attackers are reported, and AbuseIPDB's number for what they do."""

AGAIN_NANOSECONDS = 900 * 10**9
"""An address is taken once in fifteen minutes; more is refused (429)."""

_REMEMBERED = 10_000
_MOST_ANSWER = 64 * 1024


@dataclass(slots=True)
class AbuseIpdb:
    """Reports addresses that attacked us: which, when, and how; nothing about us.

    Reported are attackers that some detectors name, that showed that they receive answers, and
    that are public addresses. `own` must be set, and nothing in it is ever reported.
    """

    name: ClassVar[str] = "abuseipdb"
    summary: ClassVar[str] = "AbuseIPDB: attackers are reported to it."

    own: tuple[str, ...] = ()
    """Our own public networks and those of friends, which are never reported."""
    key: str = field(default="", repr=False)
    """The key; better in key_file."""
    key_file: str = ""
    """File whose first line is the key."""
    url: str = field(default="https://api.abuseipdb.com/api/v2/report", repr=False)
    """Where reports are taken."""
    timeout: float = 10.0
    """Seconds to wait for the other side."""
    _reported: OrderedDict[str, int] = field(default_factory=OrderedDict, init=False, repr=False)

    def check(self) -> str:
        """Return what is missing."""
        if not (self.key or self.key_file):
            return "key or key_file is not set"
        if not self.own:
            return "own is not set: name your public networks, so that they are never reported"
        try:
            _networks(self.own)
        except ValueError as error:
            return f"own: {error}"
        parts = urlsplit(self.url)
        return "" if parts.scheme in {"http", "https"} and parts.hostname else "url: is none"

    def tell(self, notice: Notice) -> None:
        """Report the attacker of a finding, if it has one. Raises NotifyError."""
        address = str(notice.fields.get("stranger", ""))
        category = CATEGORIES.get(str(notice.fields.get("detector", "")))
        if not (address and category) or not self._may_report(address, notice.time):
            return
        told = {
            "ip": address,
            "categories": category,
            "comment": f"{notice.fields['detector']} seen by phage",
            "timestamp": str(notice.fields.get("last_seen", "")),
        }
        self._post(urlencode(told).encode())
        self._reported[address] = notice.time
        self._reported.move_to_end(address)
        if len(self._reported) > _REMEMBERED:
            self._reported.popitem(last=False)

    def close(self) -> None:
        """Nothing is open between two reports."""

    def _may_report(self, address: str, time: int) -> bool:
        found = ipaddress.ip_address(address)
        if not found.is_global or any(found in each for each in _networks(self.own)):
            return False
        last = self._reported.get(address)
        return last is None or time - last >= AGAIN_NANOSECONDS

    def _post(self, body: bytes) -> None:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=self.timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=self.timeout)
        headers = {
            "Key": secret(self.key, self.key_file),
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "phage",
        }
        try:
            connection.request("POST", parts.path or "/", body, headers)
            answer = connection.getresponse()
            said = answer.read(_MOST_ANSWER)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            message = f"{parts.scheme}://{host}: {reason}"
            raise NotifyError(message) from None
        finally:
            connection.close()
        _judge(host, answer, said)


def _judge(host: str, answer: http.client.HTTPResponse, said: bytes) -> None:
    """Raise NotifyError unless the report was taken."""
    if 200 <= answer.status < 300:
        return
    rest = answer.getheader("Retry-After", "")
    message = f"{host}: answered {answer.status} {_detail(said)}".rstrip()
    raise NotifyError(
        message,
        retry=answer.status == 429 or answer.status >= 500,
        after=min(float(rest), 86_400.0) if rest.isdecimal() else 0.0,
    )


def _detail(said: bytes) -> str:
    """Return what AbuseIPDB says is wrong."""
    try:
        return str(json.loads(said)["errors"][0]["detail"])[:120]
    except (ValueError, LookupError, TypeError):
        return ""


def _networks(texts: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text) for text in texts]
