"""Notices in ArcSight's Common Event Format, version 0, as many SIEMs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records import Severity
from phage.telemetry.version import package_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.notify.notice import Notice

# "ArcSight Common Event Format", severities: 0-3 low, 4-6 medium, 7-8 high, 9-10 very high.
_SEVERITIES = {
    Severity.INFO: 1,
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 8,
    Severity.CRITICAL: 10,
}
_KEYS = {
    "subject": "src",
    "target": "src",
    "stranger": "dst",
    "finding": "externalId",
    "detector": "cat",
    "action": "act",
    "rule": "cs1",
    "by": "suser",
    "peers": "cnt",
}
"""Names of a notice's fields, and the dictionary's keys for them; others are left out."""


def cef(notice: Notice) -> str:
    """Return a notice as one line of CEF, without a header of syslog."""
    detector = str(notice.fields.get("detector") or notice.fields.get("action") or notice.kind)
    severity = str(_SEVERITIES[notice.severity])
    head = ("phage", "phage", package_version(), detector, notice.title, severity)
    extension = " ".join(f"{key}={_value(value)}" for key, value in _extension(notice))
    return "|".join(["CEF:0", *map(_header, head), extension])


def _extension(notice: Notice) -> Iterator[tuple[str, object]]:
    yield "rt", notice.time // 1_000_000  # Milliseconds since the Unix epoch.
    yield "msg", notice.text
    taken: set[str] = set()
    for name, value in notice.fields.items():
        key = _KEYS.get(name)
        if key is None or key in taken or value == "":
            continue
        taken.add(key)
        yield key, value
    if "cs1" in taken:
        yield "cs1Label", "rule"
    if notice.closed:
        yield "outcome", "ended"


def _header(text: str) -> str:
    """Return a field of the head: pipes and backslashes are escaped, lines joined."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())


def _value(value: object) -> str:
    """Return a value of the extension: equal signs and backslashes are escaped, lines joined."""
    return " ".join(str(value).replace("\\", "\\\\").replace("=", "\\=").split())
