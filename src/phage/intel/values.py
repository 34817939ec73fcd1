"""Values of indicators in one form, whatever a feed writes."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from phage.intel.networks import Networks, parse_networks
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{1,62}"
)
_HEX = re.compile(r"[0-9a-f]+")
_HASHES = {32, 40, 64}
_JA4 = re.compile(r"[tqd][0-9a-z]{9}_[0-9a-f]{12}_[0-9a-f]{12}")
_NOT_PUBLIC = (".local", ".lan", ".home.arpa", ".in-addr.arpa", ".ip6.arpa", ".localdomain")
_PORTS = {"http": 80, "https": 443, "ftp": 21}
MAX_URL = 2048
MAX_TAGS = 16


def canonical(kind: IndicatorKind, value: str) -> str:
    """Return a value in the form in which it is compared; '' when it is none of its kind."""
    text = value.strip().replace("[.]", ".").replace("hxxp", "http")
    if kind is IndicatorKind.NETWORK:
        return next(iter(parse_networks((text,)).texts()), "")
    if kind is IndicatorKind.DOMAIN:
        return canonical_domain(text)
    if kind is IndicatorKind.URL:
        return _canonical_url(text)
    low = text.lower()
    if kind is IndicatorKind.JA4:
        return low if _JA4.fullmatch(low) else ""
    wanted = {IndicatorKind.JA3: {32}, IndicatorKind.CERTIFICATE: {40, 64}}.get(kind, _HASHES)
    return low if len(low) in wanted and _HEX.fullmatch(low) else ""


def canonical_domain(text: str) -> str:
    """Return a domain in lower case and in ASCII; '' when it is none that is public."""
    low = text.strip().rstrip(".").lower().removeprefix("*.")
    if not low.isascii():
        try:
            low = low.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return low if _NAME.fullmatch(low) and not low.endswith(_NOT_PUBLIC) else ""


def _canonical_url(text: str) -> str:
    """Return a URL as it is compared (RFC 3986, section 6.2.3), without its fragment."""
    if len(text) > MAX_URL or not text.isprintable() or " " in text:
        return ""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in (None, _PORTS[parts.scheme]) else f"{shown}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def guessed(value: str) -> tuple[IndicatorKind, str] | None:
    """Return what a value is and its canonical form, by its looks; None for nothing known."""
    kinds = (
        (IndicatorKind.URL,)
        if "://" in value
        else (IndicatorKind.NETWORK, IndicatorKind.JA4, IndicatorKind.HASH, IndicatorKind.DOMAIN)
    )
    for kind in kinds:
        if text := canonical(kind, value):
            return kind, text
    return None


def split_networks(indicators: Iterable[Indicator]) -> tuple[Networks, tuple[Indicator, ...]]:
    """Return the networks among indicators in columns, and all indicators without doubles."""
    kept = {(each.kind, each.value): each for each in indicators}
    texts = tuple(value for kind, value in kept if kind is IndicatorKind.NETWORK)
    return parse_networks(texts), tuple(kept.values())


def nanoseconds(text: object) -> int:
    """Return a time ("2021-01-17 07:44:46 UTC", RFC 3339, seconds); 0 for none."""
    if isinstance(text, int | float):
        return int(text) * 10**9 if 0 < text < 10**11 else 0
    if not isinstance(text, str) or not text.strip():
        return 0
    bare = text.strip().removesuffix("UTC").strip()
    if bare.isdecimal():
        return nanoseconds(int(bare[:12]))
    try:
        moment = datetime.datetime.fromisoformat(bare)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0, int(moment.timestamp()) * 10**9)


def tag_texts(tags: object) -> tuple[str, ...]:
    """Return tags as a feed lists them, short and printable."""
    if isinstance(tags, str):
        tags = tags.split(",")
    if not isinstance(tags, list | tuple):
        return ()
    clean = (str(tag).strip()[:64] for tag in tags if isinstance(tag, str | int))
    return tuple(tag for tag in clean if tag and tag.isprintable())[:MAX_TAGS]
