"""A log event: what one line of a log, or one alert of another engine, says about somebody."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records.observation import Value


class LogKind(enum.StrEnum):
    """What a line tells."""

    AUTH_FAILED = "auth_failed"
    """A login was refused."""
    USER_UNKNOWN = "user_unknown"
    """A login was tried under a name that there is not."""
    AUTH_OK = "auth_ok"
    """A login succeeded."""
    HTTP_ERROR = "http_error"
    """A request was answered with an error of the client's making (4xx)."""
    HTTP_PROBE = "http_probe"
    """A request for what only those ask for who look for holes."""
    SCANNER_AGENT = "scanner_agent"
    """A request by a program that calls itself a scanner."""
    ABUSE = "abuse"
    """Something else that is unwelcome, such as mail to be relayed."""
    ALERT = "alert"
    """Another engine's alert; `fields` says of what."""
    REMEMBERED = "remembered"
    """A device had to do with what became an indicator later; `fields` has mac, value, indicator,
    indicator_kind, feeds, confidence, description, first, times, way (to, from, name)."""
    MALWARE = "malware"
    """A file that somebody got over the network is not clean; `fields` has mac, outcome, label,
    place (what in it), sha256, name, kind, peer (who sent it), protocol."""


@frozen
class LogEvent:
    """One event from a log. Texts may hold anything that a hostile host can send.

    Attributes:
        kind: What it tells.
        time: When, in nanoseconds since the Unix epoch, by the log's own stamp where it has one.
        source: Which log: a path, "journal", "stdin".
        service: Whose line it is: "sshd", "nginx"; of an alert the engine.
        address: Who did it: an address in canonical text, IPv4-mapped ones as IPv4.
        user: Under which name; '' where none was told.
        path: What was asked for, of requests.
        status: The status of the answer, of requests; else 0.
        message: The line, at most 512 characters of it.
        spoofable: Whether anyone can make it tell an address that is not his: it came of one-way
            packets, or others write to the same log.
        fields: What else is known; of alerts signature, signature_id, category, severity,
            community_id, target, protocol.
    """

    kind: LogKind
    time: int
    source: str
    service: str
    address: str
    user: str = ""
    path: str = ""
    status: int = 0
    message: str = ""
    spoofable: bool = False
    fields: Mapping[str, Value] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a field that is a text; '' for any other and none."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return a field that is a number; 0 for any other and none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0
