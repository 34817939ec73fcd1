"""Explanation: from numbers to the one sentence of a finding.

Names that the network chose (host names, domains, user agents) pass through `clean` before they
stand in a sentence: a report is no place for control characters or for a hostile host's prose.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phage.records import Feature, Peer, Subject
from phage.records.address import format_address, format_mac
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from phage.detect.detector import Knowledge

LONGEST_SENTENCE = 299
"""A summary fits two lines of a terminal, a chat message and a log line."""

LONGEST_NAME = 64

_PROTOCOLS = {
    0: "arp",
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    47: "gre",
    58: "icmp6",
    132: "sctp",
}
_MILLISECOND = 1_000_000
_SECOND = 1_000_000_000
_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))


def clean(text: str, limit: int = LONGEST_NAME) -> str:
    """Return text without what cannot be printed, cut to a length."""
    kept = "".join(mark if mark.isprintable() else "?" for mark in text[: limit + 1])
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def escaped(text: str, limit: int = LONGEST_NAME) -> str:
    """Return text with what cannot be printed as escapes, cut to a length: evidence is exact."""
    return clean(escape(text[:limit]), limit)


def number(value: float) -> str:
    """Format a number as a person reads it: thousands apart, three digits that count."""
    if not math.isfinite(value):
        return "unknown"
    if abs(value) >= 100 or value == int(value):
        return f"{round(value):,}"
    text = f"{value:.3g}"
    return f"{float(text):.4f}".rstrip("0").rstrip(".") if "e" in text else text


def counted(count: float, one: str, many: str = "") -> str:
    """Return "1 port", "254 ports"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def duration(nanoseconds: int) -> str:
    """Return a length of time in the unit that suits it: "250 ms", "9 s", "3.5 min", "2 h"."""
    if nanoseconds < _SECOND:
        return f"{max(1, round(nanoseconds / _MILLISECOND))} ms"
    seconds = nanoseconds / _SECOND
    for size, unit in _UNITS:
        if seconds >= 2 * size or size == 1:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
    return f"{seconds:.0f} s"


def octets(count: float) -> str:
    """Return an amount of data: "812 bytes", "12 kB", "3.4 MB"."""
    if count < 1000:
        return counted(round(count), "byte")
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
    return counted(round(count), "byte")


def listing(items: Sequence[str], total: int = 0, *, shown: int = 3) -> str:
    """Return "a, b and c" or "a, b, c and 12 more"."""
    total = max(total, len(items))
    first = list(items[:shown])
    rest = total - len(first)
    if rest > 0:
        return f"{', '.join(first)} and {number(rest)} more" if first else number(rest)
    if len(first) > 1:
        return f"{', '.join(first[:-1])} and {first[-1]}"
    return first[0] if first else "nothing"


def service(protocol: int, port: int = 0) -> str:
    """Return the name of a service as findings carry it: "tcp/23", "icmp", "arp"."""
    name = _PROTOCOLS.get(protocol, f"ip/{protocol}")
    return f"{name}/{port}" if protocol in (6, 17, 132) else name


def subject_of(address: bytes, mac: int, *, home: bool) -> Subject:
    """Make a subject of a row's address and MAC; the MAC of a host that is away is its router's."""
    ip = format_address(address)
    text = format_mac(mac) if home else ""
    return Subject(mac=text, ip=ip, device=text or ip)


def subject_named(ip: str, mac: str) -> Subject:
    """Make a subject of an address and a MAC in text."""
    return Subject(mac=mac, ip=ip, device=mac or ip)


def label(subject: Subject, knowledge: Knowledge) -> str:
    """Return how a sentence calls a subject: "Camera 00:1f:22:33:44:55 (192.168.1.20)"."""
    name = knowledge.names.get(subject.mac) or knowledge.names.get(subject.ip) or ""
    words = [clean(name, 32)] if name else []
    if subject.mac:
        words.append(subject.mac)
        if subject.ip:
            words.append(f"({subject.ip})")
    elif subject.ip:
        words.append(f"({subject.ip})" if words else subject.ip)
    return " ".join(words) or "An unknown host"


def peer_label(peer: Peer, knowledge: Knowledge) -> str:
    """Return how a sentence calls a peer."""
    name = knowledge.names.get(peer.mac) or knowledge.names.get(peer.ip) or ""
    place = peer.ip or peer.mac
    return f"{clean(name, 32)} ({place})" if name else place


def expected(low: float, high: float, unit: str = "") -> str:
    """Return a normal range: "0 to 3 packets/s", "80 bytes"; the unit 1 is left out."""
    suffix = f" {unit}" if unit and unit != "1" else ""
    if number(low) == number(high):
        return f"{number(low)}{suffix}"
    return f"{number(low)} to {number(high)}{suffix}"


def feature_words(feature: Feature) -> str:
    """Return a feature in words: "distinct peers in the last minute 54 (normal 1 to 4)"."""
    unit = f" {feature.unit}" if feature.unit and feature.unit != "1" else ""
    words = clean(feature.meaning or feature.name.replace("_", " "), 80)
    normal = expected(feature.expected_low, feature.expected_high)
    return f"{words} {number(feature.value)}{unit} (normal {normal})"


def sentence(parts: Iterable[str]) -> str:
    """Join parts with semicolons to one sentence; parts that do not fit are left out."""
    text = ""
    for part in parts:
        if not part:
            continue
        longer = f"{text}; {part}" if text else part
        if len(longer) >= LONGEST_SENTENCE:
            if not text:
                text = clean(part, LONGEST_SENTENCE - 1)
            continue
        text = longer
    text = clean(text, LONGEST_SENTENCE - 1).rstrip(". ")
    return f"{text}."
