"""STIX 2.1 (OASIS): indicators from patterns, and indicators as objects.

Of the patterning language (STIX 2.1, section 9) is read what lists of indicators consist of:
observations of one comparison each, with `=`, `IN` or `ISSUBSET`, joined by `OR`. What asks for
more - `AND`, `NOT`, `FOLLOWEDBY`, times, regular expressions - is refused: an address that is bad
only together with a port is not bad by itself.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.records.indicator import Indicator, IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PATTERN = 100_000
"""Characters of a pattern."""

NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""For identifiers that are made of what they name (STIX 2.1, section 2.9)."""

_KINDS = {
    "ipv4-addr:value": IndicatorKind.NETWORK,
    "ipv6-addr:value": IndicatorKind.NETWORK,
    "network-traffic:dst_ref.value": IndicatorKind.NETWORK,
    "network-traffic:src_ref.value": IndicatorKind.NETWORK,
    "domain-name:value": IndicatorKind.DOMAIN,
    "url:value": IndicatorKind.URL,
    "file:hashes.md5": IndicatorKind.HASH,
    "file:hashes.sha-1": IndicatorKind.HASH,
    "file:hashes.sha-256": IndicatorKind.HASH,
    "x509-certificate:hashes.sha-1": IndicatorKind.CERTIFICATE,
    "x509-certificate:hashes.sha-256": IndicatorKind.CERTIFICATE,
}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<path>[a-z0-9-]+:[A-Za-z0-9_.'"\-]+)
      | (?P<word>[A-Za-z]+)
      | (?P<sign>!=|=|\[|\]|\(|\)|,)
    )""",
    re.VERBOSE,
)


class PatternError(ValueError):
    """A pattern says what is not read here; says what."""


def values_of(pattern: str) -> list[tuple[IndicatorKind, str]]:
    """Return what a pattern names, any of which is bad by itself. Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        message = f"longer than {MAX_PATTERN} characters"
        raise PatternError(message)
    return list(_Reader(_tokens(pattern)).observations())


def _tokens(pattern: str) -> list[tuple[str, str]]:
    found, place, end = [], 0, len(pattern.rstrip())
    while place < end:
        match = _TOKEN.match(pattern, place)
        if match is None or match.lastgroup is None:
            message = f"not understood from {pattern[place : place + 20]!r} on"
            raise PatternError(message)
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Reads tokens, one after the other."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def observations(self) -> Iterator[tuple[IndicatorKind, str]]:
        while True:
            self._need("[")
            yield from self._comparison()
            while self._has("OR"):
                yield from self._comparison()
            self._need("]")
            if self._place == len(self._tokens):
                return
            self._need("OR")

    def _comparison(self) -> Iterator[tuple[IndicatorKind, str]]:
        path = self._take("path")
        kind = _KINDS.get(re.sub("['\"]", "", path).lower())
        if kind is None:
            message = f"{path[:60]} is not looked for"
            raise PatternError(message)
        if self._has("IN"):
            self._need("(")
            yield kind, self._text()
            while self._has(","):
                yield kind, self._text()
            self._need(")")
            return
        if not (kind is IndicatorKind.NETWORK and self._has("ISSUBSET")):
            self._need("=")
        yield kind, self._text()

    def _text(self) -> str:
        return re.sub(r"\\(.)", r"\1", self._take("string")[1:-1])

    def _take(self, group: str) -> str:
        if self._place >= len(self._tokens) or self._tokens[self._place][0] != group:
            message = f"a {group} is missing"
            raise PatternError(message)
        self._place += 1
        return self._tokens[self._place - 1][1]

    def _has(self, text: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place][1] == text:
            self._place += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._has(text):
            there = self._tokens[self._place][1][:20] if self._place < len(self._tokens) else "end"
            message = f"{text} is missing before {there!r}"
            raise PatternError(message)


_OBJECTS = {
    IndicatorKind.DOMAIN: "domain-name:value",
    IndicatorKind.URL: "url:value",
}
_HASHED = {IndicatorKind.HASH: "file", IndicatorKind.CERTIFICATE: "x509-certificate"}
_HASHES = {32: "MD5", 40: "'SHA-1'", 64: "'SHA-256'"}


def pattern_of(kind: IndicatorKind, value: str) -> str:
    """Return the pattern for a value; '' for what STIX has no object for (JA3, JA4)."""
    if kind is IndicatorKind.NETWORK:
        path = "ipv6-addr:value" if ":" in value else "ipv4-addr:value"
    elif kind in _HASHED and len(value) in _HASHES:
        path = f"{_HASHED[kind]}:hashes.{_HASHES[len(value)]}"
    else:
        path = _OBJECTS.get(kind, "")
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{path} = '{quoted}']" if path else ""


def identity(name: str) -> dict[str, Any]:
    """Return the identity object of who says so."""
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": f"identity--{uuid.uuid5(NAMESPACE, f'identity {name}')}",
        "created": "2020-01-01T00:00:00.000Z",
        "modified": "2020-01-01T00:00:00.000Z",
        "name": name,
        "identity_class": "system",
    }


def indicator_object(
    indicator: Indicator, made_by: str, name: str = "", now: int = 0
) -> dict[str, Any] | None:
    """Return an indicator as a STIX object; None where STIX has no pattern for it.

    The identifier is the same whenever the same is said, so that who gets it twice knows it once.
    """
    pattern = pattern_of(indicator.kind, indicator.value)
    if not pattern:
        return None
    created = rfc3339(_milliseconds(indicator.first_seen or now))
    modified = rfc3339(_milliseconds(indicator.last_seen or indicator.first_seen or now))
    found: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(NAMESPACE, f'{made_by} {pattern}')}",
        "created_by_ref": made_by,
        "created": created,
        "modified": max(created, modified),
        "name": (name or indicator.value)[:256],
        "indicator_types": ["malicious-activity"],
        "pattern": pattern,
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": created,
        "confidence": indicator.confidence,
    }
    if indicator.description:
        found["description"] = indicator.description
    if indicator.tags:
        found["labels"] = list(indicator.tags)
    if indicator.expires > (indicator.first_seen or now):
        found["valid_until"] = rfc3339(_milliseconds(indicator.expires))
    return found


def bundle(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return objects as a bundle."""
    text = " ".join(str(each["id"]) for each in objects)
    return {"type": "bundle", "id": f"bundle--{uuid.uuid5(NAMESPACE, text)}", "objects": objects}


def _milliseconds(time: int) -> int:
    """Cut a time to milliseconds: what all readers of STIX take."""
    return time // 1_000_000 * 1_000_000
